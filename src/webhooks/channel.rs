//! Notifications over a channel that we open, for a receiver without a public
//! address. The sender makes calls to us over it.

use std::fmt;

/// A call of the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The id of the call, unchanged. The answer repeats it.
    pub id: serde_json::Value,
    pub request: ChannelRequest,
}

/// The request in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelRequest {
    /// Notifications about payments. Each has the bytes that would otherwise be
    /// posted.
    Notifications(Vec<Vec<u8>>),
    /// A health check.
    Status,
    /// An unknown method, with its name.
    Else(String),
}

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome<'a> {
    /// The health check succeeded.
    Status,
    /// All notifications are stored.
    Kept,
    /// A notification could not be stored, for this reason. The sender should
    /// repeat it.
    NotKept(&'a str),
    /// The method with this name is unknown.
    UnknownMethod(&'a str),
}

/// The protocol of a channel.
pub trait NotificationChannel: Send + Sync + fmt::Debug {
    /// Parses a call. The error says what is wrong with it, and has the answer.
    fn read(&self, text: &str) -> Result<Call, NotACall>;

    /// Builds the answer to a call.
    fn answer(&self, id: &serde_json::Value, outcome: CallOutcome<'_>) -> String;
}

/// A message on the channel that is not a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotACall {
    /// Says what is wrong with the message.
    pub why: String,
    /// The answer to the sender.
    pub answer: String,
}
