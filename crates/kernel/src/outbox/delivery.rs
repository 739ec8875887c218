//! A message as it is stored: the message itself, and its delivery state.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Lane, Message, MessageId};
use crate::document;
use crate::time::later;
use crate::{DocKey, Document, Failure, Kind, ListName, Timestamp, Unreadable};

/// The key of a message.
#[must_use]
pub fn message_key(id: MessageId) -> DocKey {
    DocKey { partition: id.subject, kind: Delivery::KIND, id: u128::from(id.sequence) }
}

/// A message in the outbox, with its delivery state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: MessageId,
    pub lane: Lane,
    /// The queue in which it waits.
    pub queue: String,
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// The number of attempts to send it.
    pub attempts: u32,
    pub state: DeliveryState,
    /// Why the last attempt failed.
    pub last_error: Option<Failure>,
    /// When an attempt first failed. The time after which it is given up counts
    /// from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failed_at: Option<Timestamp>,
    /// A person has requested the next attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
}

/// The delivery state of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum DeliveryState {
    /// Waiting until `due`.
    Pending {
        /// The earliest time of the next attempt.
        due: Timestamp,
    },
    /// The receiver has accepted it.
    Sent { at: Timestamp },
    /// Given up. A person may request another attempt.
    Dead { at: Timestamp },
    /// A person has decided that it need not be sent.
    Dropped { at: Timestamp },
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

impl Document for Delivery {
    const KIND: Kind = Kind::new(3, "messages");
    const SCHEMA: u16 = 4;
    const OLDEST: u16 = 4;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        if !self.lane.is_listed() {
            return Vec::new();
        }
        match self.state {
            DeliveryState::Pending { .. } => Vec::new(),
            // When it is sent it is deleted.
            DeliveryState::Sent { .. } => Vec::new(),
            DeliveryState::Dropped { .. } => vec![Delivery::dropped_list(self.lane)],
            DeliveryState::Dead { .. } => vec![Delivery::dead_list(self.lane)],
        }
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Delivery, Unreadable> {
        document::decode(schema, bytes)
    }
}

impl Delivery {
    /// The list of the dropped messages of a lane that is listed.
    #[must_use]
    pub fn dropped_list(lane: Lane) -> ListName {
        ListName::of(&["dropped", &lane.byte().to_string()])
    }

    /// The list of the dead messages of a lane that is listed.
    #[must_use]
    pub fn dead_list(lane: Lane) -> ListName {
        ListName::of(&["dead", &lane.byte().to_string()])
    }

    /// Creates a message that is put into the outbox at `now`.
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

    /// The message after an attempt that ended at `now` with `settlement`.
    #[must_use]
    pub fn settle(mut self, settlement: Settlement, now: Timestamp) -> Delivery {
        self.attempts = self.attempts.saturating_add(1);
        self.by_hand = false;
        // A person may have dropped it during the attempt. After a failure it
        // stays dropped; if it was sent, it counts as sent.
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
    #[must_use]
    pub fn due_at(self, now: Timestamp) -> Delivery {
        Delivery { state: DeliveryState::Pending { due: now }, ..self }
    }
}

/// The outcome of an attempt. The store records when it ended, because all
/// receivers share the store's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The receiver has accepted it.
    Sent,
    /// It is to be sent again.
    Retry {
        /// How long to wait before the next attempt.
        wait: Duration,
        error: Failure,
    },
    /// It was not sent. It waits, and its time until it is given up does not
    /// run meanwhile.
    Postpone {
        /// How long to wait before the next attempt.
        wait: Duration,
        error: Failure,
    },
    /// It is given up.
    Dead { error: Failure },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Partition;
    use crate::outbox::Ordering;

    fn waiting(lane: u8) -> Delivery {
        let message = Message {
            id: MessageId { subject: Partition::from_u64(7), sequence: 1 },
            lane: Lane::new(lane, Ordering::SkipsRetries, "trial"),
            queue: String::new(),
            body: "a trial".into(),
            created_at: Timestamp::UNIX_EPOCH,
            wait: Duration::ZERO,
        };
        Delivery::new(message, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_message_that_is_sent_again_by_hand_is_due() {
        let sent = DeliveryState::Sent { at: Timestamp::UNIX_EPOCH };
        let delivery = Delivery { attempts: 1, state: sent, ..waiting(1) };
        let now = later(Timestamp::UNIX_EPOCH, Duration::from_secs(60));
        assert_eq!(delivery.due_at(now).state, DeliveryState::Pending { due: now });
    }
}
