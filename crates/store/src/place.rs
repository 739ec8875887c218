//! Where a message stands in the index that the engines keep beside the documents.

use tillgate_kernel::outbox::{Delivery, DeliveryState, Lane, MessageId};
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Partition, Timestamp};

/// A place in the index. The order of the fields is the order of the index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub lane: Lane,
    pub dead: bool,
    pub queue: String,
    pub due: Timestamp,
    pub id: MessageId,
}

impl Place {
    /// Where a message is to be found, if it is.
    pub fn of(message: &Delivery) -> Option<Place> {
        let (dead, due) = match message.state {
            DeliveryState::Pending { due } => (false, due),
            DeliveryState::Dead { at } => (true, at),
            DeliveryState::Sent { .. } | DeliveryState::Dropped { .. } => return None,
        };
        // As fine as the engines keep it, so that what is looked for is what was kept.
        let due = from_micros(due.as_microsecond());
        Some(Place { lane: message.lane, dead, queue: message.queue.clone(), due, id: message.id })
    }

    /// Before everything of this side of `lane`.
    pub fn start(lane: Lane, dead: bool) -> Place {
        let id = MessageId { subject: Partition::FIRST, sequence: 0 };
        Place { lane, dead, queue: String::new(), due: Timestamp::MIN, id }
    }

    /// After everything in this place's queue.
    pub fn end_of_queue(&self) -> Place {
        let id = MessageId { subject: Partition::LAST, sequence: u32::MAX };
        Place { due: Timestamp::MAX, id, ..self.clone() }
    }
}
