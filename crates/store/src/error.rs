//! Errors of a store.

use tillgate_kernel::Unreadable;

/// The store could not do what it was asked to do. The caller is not at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// A flush or a write failed. The store accepts nothing more until the
    /// process restarts and recovers.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// The database is unreachable or does not answer. It may recover in a
    /// moment.
    #[error("the database cannot be used: {0}")]
    Unreachable(String),
    /// The disk has not finished an operation for so long that waiting for it
    /// is pointless. It may recover in a moment.
    #[error(
        "the disk has not finished {what} for a second or more: is it overloaded, hung or failing?"
    )]
    Stalled {
        /// The unfinished operation.
        what: &'static str,
    },
    /// A record is damaged: for example, its checksum does not match its bytes.
    #[error("the record {record} is damaged and is not served: {why}")]
    Damaged { record: String, why: String },
    /// Too many concurrent changes of one order: the commit lost every attempt.
    #[error("too many concurrent changes of one order; try again")]
    Crowded,
    /// All numbers that this order could get are taken by other orders.
    #[error("no number is left for the order {external_id}")]
    NoNumberLeft {
        /// The sender's number of the order.
        external_id: String,
    },
    /// As many orders of a source as may wait for their creation do so.
    #[error("{waiting_max} orders of {party} wait for their creation, which is the limit")]
    TooManyParked {
        /// The source.
        party: String,
        waiting_max: usize,
    },
    /// A party has stored as many bytes today as it may.
    #[error("{party} has used up its quota of today")]
    QuotaUsedUp {
        /// The source.
        party: String,
    },
    /// The record was stored by a newer version, or is malformed.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Why a batch was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A document is not at the version that the batch expects: read and decide
    /// again.
    #[error("a document that the batch relies on has changed")]
    Conflict,
    /// A message was settled under a lease that has expired and was taken by
    /// another worker, or that is already settled.
    #[error("the lease on a message has been lost")]
    LostLease,
    /// The batch would push a sum of counters below its bound. Nothing of it is
    /// written.
    #[error("a sum of counters would fall below its bound (floor {floor} of the batch)")]
    Short {
        /// The place of the floor in the batch, from 0.
        floor: usize,
    },
    /// The store cannot commit. Whether this batch is durable is unknown:
    /// repeat the request to find out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
