//! The outbox: how a message waits, is claimed under a lease, and is settled.
//!
//! A message is a document like any other, with an index beside it that the engines keep: pending messages
//! by lane, queue and due time, and dead ones. A claim is a lease, not a state: nothing is written, and a
//! process that dies gives its claims back by dying. What is written is the settlement, in the same batch
//! as what it caused, and only under the lease that the claim was given.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Unavailable;
use super::batch::Body;
use super::scan::{Cursor, Found};
use crate::kernel::DocKey;
use crate::kernel::document::{decode_json, encode_json};
use crate::kernel::message::Ordering;
use crate::kernel::time::{from_micros, later};
use crate::kernel::{Document, Failure, Kind, Lane, Message, MessageId, Partition, Timestamp, Unreadable};

/// A message in the outbox, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Which message.
    pub id: MessageId,
    /// The road it takes.
    pub lane: Lane,
    /// The line in which it waits.
    pub queue: String,
    /// What to send.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// How often sending was tried.
    pub attempts: u32,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why the last attempt failed.
    pub last_error: Option<Failure>,
    /// When an attempt first failed: from then on its time runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failed_at: Option<Timestamp>,
    /// A person has asked for the next attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum DeliveryState {
    /// Waiting until `due`.
    Pending {
        /// Not to be tried before.
        due: Timestamp,
    },
    /// The peer has taken it.
    Sent {
        /// When.
        at: Timestamp,
    },
    /// Given up; a person may have it tried again.
    Dead {
        /// When.
        at: Timestamp,
    },
    /// A person has decided that it need not be sent.
    Dropped {
        /// When.
        at: Timestamp,
    },
}

impl DeliveryState {
    /// The state's name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending { .. } => "pending",
            DeliveryState::Sent { .. } => "sent",
            DeliveryState::Dead { .. } => "dead",
            DeliveryState::Dropped { .. } => "dropped",
        }
    }
}

/// Where a message lies.
#[must_use]
pub fn message_key(id: MessageId) -> DocKey {
    DocKey { partition: id.subject, kind: Delivery::KIND, id: u128::from(id.sequence) }
}

impl Document for Delivery {
    const KIND: Kind = Kind::unlisted(3, "messages");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        encode_json(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Delivery, Unreadable> {
        decode_json(schema, bytes)
    }
}

impl Delivery {
    /// A message that is put into the outbox at `now`.
    #[must_use]
    pub fn new(message: Message, now: Timestamp) -> Delivery {
        let Message { id, lane, queue, body, created_at, wait } = message;
        let state = DeliveryState::Pending { due: later(now, wait) };
        Delivery {
            id,
            lane,
            queue,
            body,
            created_at,
            attempts: 0,
            state,
            last_error: None,
            first_failed_at: None,
            by_hand: false,
        }
    }

    /// The message after an attempt that ended in `settlement` at `now`.
    #[must_use]
    pub fn settle(mut self, settlement: Settlement, now: Timestamp) -> Delivery {
        self.attempts = self.attempts.saturating_add(1);
        self.by_hand = false;
        // A person may have dropped it meanwhile: what failed then stays dropped, what was sent was sent.
        let is_pending = matches!(self.state, DeliveryState::Pending { .. });
        match settlement {
            Settlement::Sent => {
                self.state = DeliveryState::Sent { at: now };
                self.last_error = None;
            }
            Settlement::Retry { wait, error } => {
                if is_pending {
                    self.state = DeliveryState::Pending { due: later(now, wait) };
                }
                self.first_failed_at = self.first_failed_at.or(Some(now));
                self.last_error = Some(error);
            }
            Settlement::Postpone { wait, error } => {
                self.attempts -= 1; // nothing was attempted
                if is_pending {
                    self.state = DeliveryState::Pending { due: later(now, wait) };
                }
                self.last_error = Some(error);
            }
            Settlement::Dead { error } => {
                if is_pending {
                    self.state = DeliveryState::Dead { at: now };
                }
                self.last_error = Some(error);
            }
        }
        self
    }

    /// The message, due at `now`.
    pub(super) fn due_at(self, now: Timestamp) -> Delivery {
        Delivery { state: DeliveryState::Pending { due: now }, ..self }
    }

    /// Where the engines' index has it, if it is to be found there.
    pub(super) fn place(&self) -> Option<Place> {
        let (dead, due) = match self.state {
            DeliveryState::Pending { due } => (false, due),
            DeliveryState::Dead { at } => (true, at),
            DeliveryState::Sent { .. } | DeliveryState::Dropped { .. } => return None,
        };
        // As fine as the engines keep it, so that what is looked for is what was kept.
        let due = from_micros(due.as_microsecond());
        Some(Place { lane: self.lane, dead, queue: self.queue.clone(), due, id: self.id })
    }
}

/// How an attempt ended. When it did is for the store to say: its clock is the one that all receivers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The peer has taken it.
    Sent,
    /// It is to be tried again.
    Retry {
        /// How long not.
        wait: Duration,
        /// What went wrong.
        error: Failure,
    },
    /// It was not tried: it waits, and its time to be given up stands still.
    Postpone {
        /// How long not.
        wait: Duration,
        /// Why.
        error: Failure,
    },
    /// It is given up.
    Dead {
        /// Why.
        error: Failure,
    },
}

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
    pub(super) fence: u64,
}

/// Where a message stands in the index. The order of the fields is the order of the index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
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

    /// The place after which a list goes on: that of a cursor, or the start of a queue, or that of the lane.
    pub fn after(lane: Lane, dead: bool, queue: Option<&str>, cursor: Option<&Cursor>) -> Place {
        let mut place = Place::start(lane, dead);
        if let Some((cursor, id)) = cursor.and_then(|cursor| Some((cursor, cursor.message()?))) {
            place = Place { queue: cursor.queue.clone(), due: cursor.listed_at, id, ..place };
        }
        if let Some(queue) = queue {
            queue.clone_into(&mut place.queue);
        }
        place
    }

    /// Where a list of the outbox goes on after it.
    pub fn cursor(&self) -> Cursor {
        Cursor::of_message(self.queue.clone(), self.due, self.id)
    }

    /// After everything in this place's queue.
    fn end_of_queue(&self) -> Place {
        let id = MessageId { subject: Partition::LAST, sequence: u32::MAX };
        Place { due: Timestamp::MAX, id, ..self.clone() }
    }
}

/// The page that these places make, one of which is there only to show that it is not the last.
pub(super) fn page_of_places(mut places: Vec<Place>, limit: usize) -> Found {
    let more = places.len() > limit;
    places.truncate(limit);
    let next = places.last().filter(|_| more).map(Place::cursor);
    (places.iter().map(|place| message_key(place.id)).collect(), next)
}

/// Where a message stands in the outbox's index, if it belongs there.
pub(super) fn place_of(body: &Body) -> Result<Option<Place>, Unavailable> {
    Ok(Delivery::decode(body.schema, &body.bytes)?.place())
}

/// How many waiting messages of one queue are looked at for one that may go.
const QUEUE_LOOKAHEAD_MAX: usize = 256;

/// The leases of a store that one process owns.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: HashMap<MessageId, (u64, Timestamp)>,
    last_fence: u64,
}

impl Leases {
    /// Whether `ticket` is of the latest claim of its message. That its time ran out does not matter as
    /// long as nobody else has claimed the message since.
    pub fn holds(&self, ticket: Ticket) -> bool {
        self.held.get(&ticket.id).is_some_and(|&(fence, _)| fence == ticket.fence)
    }

    /// Forgets a settled message.
    pub fn release(&mut self, ticket: Ticket) {
        self.held.remove(&ticket.id);
    }

    /// Chooses and leases messages that are due at `now`. `next` gives the first place of the index after a place, `read` a
    /// message by its id.
    pub fn claim(
        &mut self,
        claim: &Claim,
        now: Timestamp,
        next: impl Fn(&Place) -> Result<Option<Place>, Unavailable>,
        read: impl Fn(MessageId) -> Result<Option<Delivery>, Unavailable>,
    ) -> Result<Vec<Claimed>, Unavailable> {
        let mut claimed = Vec::new();
        let mut position = Place::start(claim.lane, false);
        let mut looked_at = 0;
        while claimed.len() < claim.limit {
            let Some(place) = next(&position)? else { break };
            if place.lane != claim.lane || place.dead {
                break;
            }
            looked_at = if place.queue == position.queue { looked_at + 1 } else { 1 };
            if place.due > now || looked_at > QUEUE_LOOKAHEAD_MAX || claim.resting.contains(&place.queue) {
                position = place.end_of_queue();
                continue;
            }
            // One that is tried again later stands behind its successors: whoever waits for it leads to it.
            let head = match first_waiting(place.id, claim.lane, now, &read) {
                Ok(head) => head,
                Err(why) => {
                    // One damaged message must not silence every chat.
                    tracing::error!(message.id = %place.id, error = %why, "a message cannot be read and is passed over");
                    None
                }
            };
            let may_go = |delivery: &Delivery| {
                let is_due = matches!(delivery.state, DeliveryState::Pending { due } if due <= now);
                let is_leased = self.held.get(&delivery.id).is_some_and(|&(_, until)| until > now);
                let queue_is_free = delivery.queue == place.queue
                    || !(claim.resting.contains(&delivery.queue)
                        || claimed.iter().any(|other: &Claimed| other.delivery.queue == delivery.queue));
                is_due && !is_leased && queue_is_free
            };
            let Some(delivery) = head.filter(may_go) else {
                position = place;
                continue;
            };
            self.last_fence += 1;
            let ticket = Ticket { id: delivery.id, fence: self.last_fence };
            self.held.insert(ticket.id, (ticket.fence, later(now, claim.lease)));
            let is_of_this_queue = delivery.queue == place.queue;
            claimed.push(Claimed { delivery, ticket, at: now });
            position = if is_of_this_queue { place.end_of_queue() } else { place };
        }
        Ok(claimed)
    }
}

/// The message that is to go first at `now` among those of its order and lane up to `id`, if any of them waits. Where
/// each waits for those before it, it is enough to walk back to one that does not wait.
fn first_waiting(
    id: MessageId,
    lane: Lane,
    now: Timestamp,
    read: &impl Fn(MessageId) -> Result<Option<Delivery>, Unavailable>,
) -> Result<Option<Delivery>, Unavailable> {
    let is_waiting = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Pending { .. });
    let is_put_off = |delivery: &Delivery| {
        lane.ordering() == Ordering::SkipsRetries
            && matches!(delivery.state, DeliveryState::Pending { due } if due > now)
    };
    let mut first = read(id)?.filter(is_waiting);
    if lane.ordering() == Ordering::None {
        return Ok(first);
    }
    for sequence in (1..id.sequence).rev() {
        match read(MessageId { sequence, ..id })? {
            Some(earlier) if earlier.lane != lane || is_put_off(&earlier) => {}
            Some(earlier) if is_waiting(&earlier) => first = Some(earlier),
            // Of those that overtake it may have been told before an earlier one.
            Some(_) if lane.ordering() == Ordering::Strict => break,
            Some(_) | None => {}
        }
    }
    Ok(first)
}
