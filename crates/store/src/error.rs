//! What can go wrong with a store.

use tillgate_kernel::Unreadable;

/// The store could not do what was asked, and that is not the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// A flush or write failed: nothing more is accepted until the process starts anew and recovers.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// The database cannot be reached, or does not answer. It may again in a moment.
    #[error("the database cannot be used: {0}")]
    Unreachable(String),
    /// The disk has not finished something for so long that waiting behind it is of no use. It may again in a moment.
    #[error("the disk has not finished {what} for a second or more: is it overloaded, frozen or failing?")]
    Stalled {
        /// What it is at.
        what: &'static str,
    },
    /// A record's checksum does not fit its bytes.
    #[error("the record {record} is damaged and is not served: {why}")]
    Damaged {
        /// Which record.
        record: String,
        /// What is wrong with it.
        why: String,
    },
    /// Too many want to change the same thing at once.
    #[error("too many changes of one order at the same moment")]
    Crowded,
    /// Every number that an order may have belongs to another.
    #[error("no number is left for the order {external_id}")]
    NoNumberLeft {
        /// The sender's number of it.
        external_id: String,
    },
    /// Stored by a newer version, or malformed.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Why a batch was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// What the batch believed does not hold: read again, decide again.
    #[error("something that the batch relied on has changed")]
    Conflict,
    /// A message was settled under a lease that ran out or was given to another.
    #[error("the lease on a message has been lost")]
    LostLease,
    /// The store cannot commit. Whether this batch is durable is unknown: asking again finds out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
