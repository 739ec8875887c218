//! What documents and messages are about: a numbered subject, such as an order, or a name.

use std::fmt;
use std::str::FromStr;

use super::fingerprint::Fingerprint;

/// A kind of numbered things that have partitions of their own. Whoever owns the numbers declares it; its byte keeps its
/// meaning for ever, because it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject(u8);

impl Subject {
    /// The subject with this byte.
    #[must_use]
    pub const fn new(byte: u8) -> Subject {
        assert!(byte < 0x80, "the highest bit belongs to names");
        Subject(byte)
    }
}

/// Documents that are committed together: everything about one order, one client, or one name.
///
/// Its highest bit says whether it belongs to a name. Otherwise seven bits hold the subject and 56 bits its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// The partition of a name. Names are spread over as many partitions as there are fingerprints, so that none gathers
    /// them all.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is as good as any")]
    pub const fn of_name(fingerprint: Fingerprint) -> Partition {
        Partition(OF_A_NAME | fingerprint.get() as u64)
    }

    /// The number of the thing that it is about, if it is of this subject.
    #[must_use]
    pub const fn number_of(self, subject: Subject) -> Option<u64> {
        if self.0 >> NUMBER_BITS == subject.0 as u64 { Some(self.0 & NUMBER_MAX) } else { None }
    }

    /// The one behind it, unless it is the last.
    #[must_use]
    pub const fn next(self) -> Option<Partition> {
        match self.0.checked_add(1) {
            Some(next) => Some(Partition(next)),
            None => None,
        }
    }

    /// As the store keeps it.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Bytes that sort as the partitions do.
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
    fn subjects_with_the_same_number_and_names_lie_apart() {
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
