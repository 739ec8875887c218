//! Claims: which worker sends a message, and for how long.

use std::time::Duration;

use super::{Delivery, Lane, MessageId};
use crate::Timestamp;

/// A request for messages to work on.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The lane to claim messages of.
    pub lane: Lane,
    /// How long the claim is valid.
    pub lease: Duration,
    /// The maximum number of messages.
    pub limit: usize,
    /// The maximum number of messages of each queue. In a lane with an order it
    /// must be 1.
    pub limit_of_queue: usize,
    /// Queues to skip, because their receivers asked for a pause.
    pub paused_queues: Vec<String>,
    /// The queue of the message that was claimed last: the claim begins after
    /// it, so that the queues take turns. Empty for the first claim.
    pub after_queue: String,
}

/// A claimed message, with the ticket that is needed to settle it.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub delivery: Delivery,
    /// Proof of the lease.
    pub ticket: Ticket,
    /// When it was claimed, by the store's clock.
    pub at: Timestamp,
}

/// Proves a lease. Every claim increases the fence, so a ticket of an earlier
/// claim is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub id: MessageId,
    /// The number of the claim.
    pub fence: u64,
}
