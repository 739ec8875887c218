//! Where a message stands in the index that the engines keep beside the documents.

use super::{Lane, MessageId};
use crate::kernel::{Partition, Timestamp};

/// A place in the index. The order of the fields is the order of the index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub lane: Lane,
    pub dead: bool,
    pub queue: String,
    pub due: Timestamp,
    pub id: MessageId,
}

impl Place {
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
