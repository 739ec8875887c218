//! Lanes: which worker a message is for, and whether it waits for others.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A road out: messages of one lane are claimed by one kind of worker. Whoever owns the messages declares their lane; what is
/// read back knows the byte alone, which keeps its meaning for ever.
#[derive(Clone, Copy)]
pub struct Lane {
    byte: u8,
    /// Its name in the API and in logs; none of what was read back.
    name: Option<&'static str>,
}

/// In what order the messages about one thing go, within a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordering {
    /// Each waits for those before it, whatever becomes of them.
    Strict = 0,
    /// Each waits for those before it, but not for one that was put off after a failure.
    SkipsRetries = 1,
    /// None waits for another.
    None = 2,
}

/// The bits of a lane's byte that hold its number; two more hold its ordering.
const LANE_NUMBER_BITS: u32 = 5;

impl Lane {
    /// Declares a lane.
    #[must_use]
    pub const fn new(number: u8, ordering: Ordering, name: &'static str) -> Lane {
        assert!(number > 0 && number < 1 << LANE_NUMBER_BITS, "a lane's number has five bits");
        Lane { byte: (ordering as u8) << LANE_NUMBER_BITS | number, name: Some(name) }
    }

    /// Whether a message waits for the earlier ones about the same thing.
    #[must_use]
    pub const fn ordering(self) -> Ordering {
        match self.byte >> LANE_NUMBER_BITS {
            0 => Ordering::Strict,
            1 => Ordering::SkipsRetries,
            _ => Ordering::None,
        }
    }

    /// The byte that stands for it on disk, of seven bits.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.byte
    }

    /// The lane with this byte on disk.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Lane {
        Lane { byte, name: None }
    }

    /// Its name in the API and in logs, where it was declared.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        self.name
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
            None => write!(f, "lane {}", self.byte & ((1 << LANE_NUMBER_BITS) - 1)),
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
