//! Partitions: what documents and messages are about. A partition belongs to a
//! numbered thing, such as an order, or to a name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;

/// A kind of numbered things that have partitions of their own. The module that
/// owns the numbers declares it. Its byte is part of the stored format, so its
/// meaning never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject(u8);

impl Subject {
    #[must_use]
    pub const fn new(byte: u8) -> Subject {
        assert!(byte < 0x80, "the highest bit marks partitions of names");
        Subject(byte)
    }
}

/// Documents that are committed together: everything about one order, one
/// client, or one name.
///
/// The highest bit is set for a name. Otherwise the next seven bits hold the
/// subject, and the other 56 bits its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(u64);

const OF_A_NAME: u64 = 1 << 63;
const NUMBER_BITS: u32 = 56;
const NUMBER_MAX: u64 = (1 << NUMBER_BITS) - 1;

impl Partition {
    /// The first of all partitions.
    pub const FIRST: Partition = Partition(0);
    /// The last of all partitions.
    pub const LAST: Partition = Partition(u64::MAX);

    /// The partition of a numbered thing.
    ///
    /// # Panics
    /// When the number has more than 56 bits: its owner limits it.
    #[must_use]
    pub const fn of(subject: Subject, number: u64) -> Partition {
        assert!(number <= NUMBER_MAX, "a number has at most 56 bits");
        Partition((subject.0 as u64) << NUMBER_BITS | number)
    }

    /// The partition of a name. Names are spread over as many partitions as
    /// there are fingerprints, so that no single partition collects them all.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is as good as any")]
    pub const fn of_name(fingerprint: Fingerprint) -> Partition {
        Partition(OF_A_NAME | fingerprint.get() as u64)
    }

    /// The number of the thing that the partition belongs to, if it is of this
    /// subject.
    #[must_use]
    pub const fn number_of(self, subject: Subject) -> Option<u64> {
        if self.0 >> NUMBER_BITS == subject.0 as u64 { Some(self.0 & NUMBER_MAX) } else { None }
    }

    /// The next partition, or `None` after the last one.
    #[must_use]
    pub const fn next(self) -> Option<Partition> {
        match self.0.checked_add(1) {
            Some(next) => Some(Partition(next)),
            None => None,
        }
    }

    /// The number that the store keeps.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Bytes that sort in the same order as the partitions.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The partition that [`Partition::to_bytes`] wrote.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Partition {
        Partition(u64::from_be_bytes(bytes))
    }

    /// The partition that [`Partition::get`] gave.
    #[must_use]
    pub const fn from_u64(partition: u64) -> Partition {
        Partition(partition)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Partition {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Partition, std::num::ParseIntError> {
        text.parse().map(Partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: Subject = Subject::new(0);
    const CLIENTS: Subject = Subject::new(1);

    #[test]
    fn subjects_with_the_same_number_and_names_have_different_partitions() {
        let order = Partition::of(ORDERS, 482_993_011_752);
        let client = Partition::of(CLIENTS, 482_993_011_752);
        let name = Partition::of_name(Fingerprint::of(&[b"a name"]));
        assert!(order < client && client < name);
        assert_eq!(order.to_string(), "482993011752");
        assert_eq!(order.number_of(ORDERS), Some(482_993_011_752));
        assert_eq!(order.number_of(CLIENTS), None);
        assert_eq!(client.number_of(CLIENTS), Some(482_993_011_752));
        assert_eq!(name.number_of(ORDERS), None);
        assert_eq!(name.to_string().parse(), Ok(name));
    }
}
