//! Who works on a message: claims, and the proof of one.

use std::time::Duration;

use super::{Delivery, Lane, MessageId};
use crate::Timestamp;

/// A request for messages to work on.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Of which lane.
    pub lane: Lane,
    /// For how long the claimer has them.
    pub lease: Duration,
    /// At most so many.
    pub limit: usize,
    /// Queues to pass over, because their peer wants a pause.
    pub resting: Vec<String>,
}

/// A claimed message with the ticket to settle it.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The message.
    pub delivery: Delivery,
    /// Proof of the lease.
    pub ticket: Ticket,
    /// When it was claimed, by the store's clock.
    pub at: Timestamp,
}

/// Proof of a lease. The fence grows with every claim, so a ticket of an earlier one opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Which message.
    pub id: MessageId,
    /// Which claim of it.
    pub fence: u64,
}
