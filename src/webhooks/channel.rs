//! Notifications by a channel that we open, for a shop that has no public address: the sender calls us over it.

use std::fmt;

/// What the sender wants, and the id under which the answer goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The id, as it was written.
    pub id: serde_json::Value,
    /// What is wanted.
    pub asked: Asked,
}

/// What a sender may want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Tells of payments; each is a notification as it would be posted.
    Notices(Vec<Vec<u8>>),
    /// Asks how we are.
    Status,
    /// Something that we do not know, by this name.
    Else(String),
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome<'a> {
    /// We are well.
    Status,
    /// All notifications are kept.
    Kept,
    /// One could not be kept, for this reason; it is to come again.
    NotKept(&'a str),
    /// We do not know what this is.
    UnknownMethod(&'a str),
}

/// How a sender speaks over its channel.
pub trait NoticeChannel: Send + Sync + fmt::Debug {
    /// Reads a call. The error says why it cannot be read, and holds the answer.
    fn read(&self, text: &str) -> Result<Call, NotACall>;

    /// The answer to a call.
    fn answer(&self, id: &serde_json::Value, outcome: CallOutcome<'_>) -> String;
}

/// What came is no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotACall {
    /// Why.
    pub why: String,
    /// What the sender is answered.
    pub answer: String,
}
