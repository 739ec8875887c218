//! The position of a message in the outbox index, which the engines keep in
//! addition to the documents.

use tillgate_kernel::outbox::{Delivery, DeliveryState, Lane, MessageId};
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Partition, Timestamp};

/// A position in the outbox index. The order of the fields is the order of the
/// index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub lane: Lane,
    pub dead: bool,
    pub queue: String,
    pub due: Timestamp,
    pub id: MessageId,
}

impl Place {
    /// The position of a message. None if it is sent or dropped: those are not
    /// in the index.
    pub fn of(message: &Delivery) -> Option<Place> {
        let (dead, due) = match message.state {
            DeliveryState::Pending { due } => (false, due),
            DeliveryState::Dead { at } => (true, at),
            DeliveryState::Sent { .. } | DeliveryState::Dropped { .. } => return None,
        };
        // Engines store microseconds. Round here too, so that a lookup finds
        // the entry that was stored.
        let due = from_micros(due.as_microsecond());
        Some(Place { lane: message.lane, dead, queue: message.queue.clone(), due, id: message.id })
    }

    /// The position before all messages of `lane` that are dead, or pending.
    pub fn start(lane: Lane, dead: bool) -> Place {
        let id = MessageId { subject: Partition::FIRST, sequence: 0 };
        Place { lane, dead, queue: String::new(), due: Timestamp::MIN, id }
    }

    /// The position after the last message of the same queue.
    pub fn end_of_queue(&self) -> Place {
        let id = MessageId { subject: Partition::LAST, sequence: u32::MAX };
        Place { due: Timestamp::MAX, id, ..self.clone() }
    }
}
