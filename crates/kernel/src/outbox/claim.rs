//! Claims: which worker sends a message, and for how long.

use std::time::Duration;

use super::{Delivery, Lane, MessageId};
use crate::Timestamp;
use crate::chance::random_bytes;

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

/// Proves a lease. No two leases of a message have the same fence, so a ticket
/// of an earlier one is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub id: MessageId,
    /// Identifies the lease; 0 is none.
    pub fence: u64,
}

impl Ticket {
    /// A ticket for a lease that is about to be written. Its fence is random,
    /// because several processes write leases.
    #[must_use]
    pub fn new(id: MessageId) -> Ticket {
        let fence = (u64::from_be_bytes(random_bytes()) >> 1).max(1);
        Ticket { id, fence }
    }
}
