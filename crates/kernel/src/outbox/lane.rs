//! Lanes: which worker sends a message, and whether the message waits for
//! others.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Messages of one lane are claimed by workers of one kind. The module that
/// owns the messages declares their lane. A lane read back from the store has
/// only the byte, whose meaning never changes.
#[derive(Clone, Copy)]
pub struct Lane {
    byte: u8,
    /// The name in the API and in logs. `None` for a lane read back from the
    /// store.
    name: Option<&'static str>,
}

/// The order in which the messages about one thing are sent, within a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordering {
    /// Each waits for the earlier ones, whatever their outcome.
    Strict = 0,
    /// Each waits for the earlier ones, except for those postponed after a
    /// failure.
    SkipsRetries = 1,
    /// No message waits for another.
    None = 2,
}

/// The bits of a lane's byte that hold its number. Two more bits hold its
/// ordering.
const LANE_NUMBER_BITS: u32 = 5;

/// The lanes from this number on are listed.
const FIRST_LISTED: usize = 8;

impl Lane {
    /// How many numbers there are.
    pub const NUMBERS: usize = 1 << LANE_NUMBER_BITS;

    /// Declares a lane.
    #[must_use]
    pub const fn new(number: u8, ordering: Ordering, name: &'static str) -> Lane {
        assert!(number > 0 && number < 1 << LANE_NUMBER_BITS, "a lane's number has five bits");
        Lane { byte: (ordering as u8) << LANE_NUMBER_BITS | number, name: Some(name) }
    }

    /// How a message waits for the earlier ones about the same thing.
    #[must_use]
    pub const fn ordering(self) -> Ordering {
        match self.byte >> LANE_NUMBER_BITS {
            0 => Ordering::Strict,
            1 => Ordering::SkipsRetries,
            _ => Ordering::None,
        }
    }

    /// Its number: less than [`Lane::NUMBERS`], and no other lane has it.
    #[must_use]
    pub const fn number(self) -> usize {
        self.byte as usize & (Lane::NUMBERS - 1)
    }

    /// Whether its messages are deleted one by one: when they are sent, and if
    /// they are dead or dropped by a list of these. Those of other lanes are
    /// deleted with what they are about.
    #[must_use]
    pub const fn is_listed(self) -> bool {
        self.number() >= FIRST_LISTED
    }

    /// The byte that represents the lane on disk. It uses seven bits.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.byte
    }

    /// The lane with this byte on disk.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Lane {
        Lane { byte, name: None }
    }

    /// The name in the API and in logs, if the lane was declared.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        self.name
    }
}

/// A set of lanes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lanes(u32);

const _: () = assert!(Lane::NUMBERS <= u32::BITS as usize);

impl Lanes {
    pub const ALL: Lanes = Lanes(u32::MAX);

    pub const fn insert(&mut self, lane: Lane) {
        self.0 |= 1 << lane.number();
    }

    #[must_use]
    pub const fn and(self, others: Lanes) -> Lanes {
        Lanes(self.0 | others.0)
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The numbers of the lanes.
    pub fn numbers(self) -> impl Iterator<Item = usize> {
        (0..Lane::NUMBERS).filter(move |number| self.0 & (1 << number) != 0)
    }
}

impl PartialEq for Lane {
    fn eq(&self, other: &Lane) -> bool {
        self.byte == other.byte
    }
}

impl Eq for Lane {}

impl PartialOrd for Lane {
    fn partial_cmp(&self, other: &Lane) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Lane {
    fn cmp(&self, other: &Lane) -> std::cmp::Ordering {
        self.byte.cmp(&other.byte)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "lane {}", self.number()),
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Lane {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.byte)
    }
}

impl<'de> Deserialize<'de> for Lane {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Lane, D::Error> {
        u8::deserialize(deserializer).map(Lane::from_byte)
    }
}
