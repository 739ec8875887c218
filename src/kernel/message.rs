//! A message of the outbox: something to tell the outside, written together with what caused it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::partition::Partition;
use super::time::Timestamp;

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

/// Which message: what it is about, and its place among the messages about that.
///
/// Derived from what it tells, so that staging it twice stages it once, and short enough for people: the
/// picker sees `482993011752-1` under the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// What it is about.
    pub subject: Partition,
    /// 1 for the first message about it.
    pub sequence: u32,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.subject, self.sequence)
    }
}

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<MessageId, NotAMessageId> {
        let (subject, sequence) = text.split_once('-').ok_or(NotAMessageId)?;
        Ok(MessageId {
            subject: subject.parse().map_err(|_| NotAMessageId)?,
            sequence: sequence.parse().map_err(|_| NotAMessageId)?,
        })
    }
}

impl Serialize for MessageId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<MessageId, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is not a message's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message's id is a number and a sequence, such as 482993011752-1")]
pub struct NotAMessageId;

/// A message that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which message it is.
    pub id: MessageId,
    /// The road it takes.
    pub lane: Lane,
    /// The line in which it waits: messages of one line go to one peer, who sets their pace.
    pub queue: String,
    /// What to send; the lane knows its form.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// How long it is not to be sent yet, from when it is stored: nothing for at once. A moment would be by the writer's clock,
    /// which may be wrong.
    pub wait: Duration,
}
