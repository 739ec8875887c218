//! A message to the outside, stored in the same batch as its cause.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Lane;
use crate::{Partition, Timestamp};

/// The id of a message: what it is about, and its number among the messages
/// about that.
///
/// It is derived from the content, so that a message that is staged twice is
/// stored once. It is short enough for people: the picker sees `482993011752-1`
/// under the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The order or other thing that it is about.
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
        // Each message has exactly one id: no sign and no leading zeros.
        let is_plain = |digits: &str| digits == "0" || !digits.starts_with(['0', '+']);
        if !is_plain(subject) || !is_plain(sequence) {
            return Err(NotAMessageId);
        }
        Ok(MessageId {
            subject: subject.parse().map_err(|_| NotAMessageId)?,
            sequence: sequence.parse().map_err(|_| NotAMessageId)?,
        })
    }
}

impl Serialize for MessageId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::short_text::serialize_text(self, serializer)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<MessageId, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The text is not a message's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message's id is a number and a sequence, such as 482993011752-1")]
pub struct NotAMessageId;

/// A message that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub lane: Lane,
    /// The queue in which it waits. Messages of one queue go to one receiver,
    /// whose rate limit applies to them.
    pub queue: String,
    /// What to send, in the format of the lane.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// How long to wait before the first attempt, from when it is stored; zero
    /// to send it at once. It is not a point in time, because that would depend
    /// on the writer's clock, which may be wrong.
    pub wait: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_one_id() {
        let id: MessageId = "482993011752-1".parse().expect("an id");
        assert_eq!(id.to_string(), "482993011752-1");
        for text in [
            "+482993011752-1",
            "0482993011752-1",
            "482993011752-01",
            "482993011752-+1",
            "482993011752",
            "-1",
            "",
        ] {
            assert_eq!(text.parse::<MessageId>(), Err(NotAMessageId), "{text}");
        }
    }
}
