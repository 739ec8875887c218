//! A message of the outbox: something to tell the outside, written together with what caused it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::Number;
use super::time::Timestamp;

/// The roads out. A number, once given, keeps its meaning for ever: it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Lane {
    /// Chats of the shops' pickers.
    Telegram = 1,
    /// Payment systems: payments that must be looked after.
    Payment = 2,
    /// Merchants' sites, which hear of their orders.
    Callback = 3,
    /// Payment systems: links that are looked at now and then while their buyers have not paid, or told of anew.
    Watch = 4,
    /// Marketplaces, which hear how far their orders are.
    Marketplace = 5,
}

/// In what order the messages of one order go, within a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Each waits for those before it, whatever becomes of them.
    Waits,
    /// Each waits for those before it, but not for one that was put off after a failure.
    Overtakes,
    /// None waits for another.
    Free,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Lane; 5] =
        [Lane::Telegram, Lane::Payment, Lane::Callback, Lane::Watch, Lane::Marketplace];

    /// Whether a message waits for the earlier ones of its order.
    #[must_use]
    pub const fn turn(self) -> Turn {
        match self {
            Lane::Telegram | Lane::Payment | Lane::Marketplace => Turn::Waits,
            // Each bears all that there is to say, and a site that cannot take one must hear of the payment all the same.
            Lane::Callback => Turn::Overtakes,
            // A look means what it means whenever it is; one that is due in hours must not hold up one due in minutes.
            Lane::Watch => Turn::Free,
        }
    }

    /// Its name in the API and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Lane::Telegram => "telegram",
            Lane::Payment => "payment",
            Lane::Callback => "callback",
            Lane::Watch => "watch",
            Lane::Marketplace => "marketplace",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which message: the order, and the message's place among the order's messages.
///
/// Derived from what it tells, so that staging it twice stages it once, and short enough for people: the
/// picker sees `482993011752/1` under the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The order that it is about.
    pub number: Number,
    /// 1 for the order's first message; 0 for one that is about no order.
    pub sequence: u32,
}

impl MessageId {
    /// The id of a message that is about no order: a number drawn from `chance`, and the sequence that no order gives.
    #[must_use]
    pub fn of_no_order(chance: u64) -> MessageId {
        MessageId { number: Number::drawn(chance), sequence: 0 }
    }

    /// Whether the message is about no order.
    #[must_use]
    pub fn is_of_no_order(self) -> bool {
        self.sequence == 0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.sequence)
    }
}

impl FromStr for MessageId {
    type Err = NotAMessageId;

    fn from_str(text: &str) -> Result<MessageId, NotAMessageId> {
        let (number, sequence) = text.split_once('-').ok_or(NotAMessageId)?;
        Ok(MessageId {
            number: number.parse().map_err(|_| NotAMessageId)?,
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
#[error("a message's id is an order's number and a sequence, such as 482993011752-1")]
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
