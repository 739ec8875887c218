//! What is done with money that came: paid back, or matched by goods that were shipped.
//!
//! ```text
//!            intention      call          answer or look-up      look
//!   request ──▶ planned ──▶ sending ──▶ accepted ─────────────▶ done
//!                              │  ▲        └───────────────────▶ refused
//!                              ▼  │ same number, same bytes
//!                           unknown ──▶ refused, frozen
//! ```
//! The rule is that of payments: a call either certainly did something, or certainly not, or nobody knows, and then it is
//! looked for under its number before the same bytes are sent again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bill::Line;
use super::payment::{Again, Answered, PaymentId, looked_in_vain};
use crate::kernel::schema::text_schema;
use crate::kernel::time::between;
use crate::kernel::{Fingerprint, Money, Private, Timestamp};

/// Which operation: the payment, and a count over everything that is done with it. It is the number under which the
/// payment system knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId {
    /// The payment.
    pub payment: PaymentId,
    /// 1 for the first.
    pub sequence: u32,
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.payment, self.sequence)
    }
}

/// The text is not an operation's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the number of a refund is a payment's number and a count, such as 482993011752-1-1")]
pub struct NotAnOperationId;

impl FromStr for OperationId {
    type Err = NotAnOperationId;

    fn from_str(text: &str) -> Result<OperationId, NotAnOperationId> {
        let (payment, sequence) = text.rsplit_once('-').ok_or(NotAnOperationId)?;
        let id = OperationId {
            payment: payment.parse().map_err(|_| NotAnOperationId)?,
            sequence: sequence.parse().map_err(|_| NotAnOperationId)?,
        };
        if id.to_string() == text { Ok(id) } else { Err(NotAnOperationId) }
    }
}

impl Serialize for OperationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

text_schema!(
    OperationId,
    "OperationId",
    "A refund or capture: its payment, and a count.",
    "^[1-9][0-9]{11}-[0-9]{1,9}-[0-9]{1,9}$",
    "482993011752-1-1"
);

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<OperationId, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a payment system hears when goods are handed over, so that it makes the receipt of full payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// Nothing: it makes no receipts for us.
    Untold,
    /// A shipment; a capture is one too.
    ShipmentOrCapture,
    /// A shipment, whether the money was captured before or not.
    Shipment,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Money goes back to the buyer.
    Refund,
    /// Money that is held is taken, all of it or less; the rest is let go.
    Capture,
    /// The goods were handed over: the payment system makes the receipt of full payment.
    Shipment,
}

impl OperationKind {
    /// A word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OperationKind::Refund => "refund",
            OperationKind::Capture => "capture",
            OperationKind::Shipment => "shipment",
        }
    }
}

/// An operation as the payment system has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteOperation {
    /// Its own id.
    pub id: String,
    /// The number that we gave it.
    pub number: String,
    /// The sum.
    pub amount: Money,
    /// Where it stands.
    pub status: RemoteOperationStatus,
}

/// Where an operation stands at the payment system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteOperationStatus {
    /// It was taken in and is not over.
    Accepted,
    /// It is done.
    Completed,
    /// It will not be done.
    Canceled,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Which.
    pub id: OperationId,
    /// What.
    pub kind: OperationKind,
    /// What of.
    pub lines: Vec<Line>,
    /// The lines' sum.
    pub total: Money,
    /// The tax in it.
    pub vat: Money,
    /// Why, in the merchant's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it stands.
    pub state: OperationState,
    /// When it was planned.
    pub created_at: Timestamp,
    /// Of the request, to know its repeat by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Fingerprint>,
    /// The call's bytes as they were sent first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Private>,
    /// A call has ended so that it may have been carried out.
    #[serde(default)]
    pub doubtful: bool,
    /// Its id at the payment system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
}

/// Where an operation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum OperationState {
    /// Nothing has been sent, for certain.
    Planned,
    /// A call is under way, or was when the process died.
    Sending {
        /// When it began.
        since: Timestamp,
    },
    /// Whether the payment system has it is not known.
    Unknown {
        /// Since when.
        since: Timestamp,
        /// How often it was looked for and not found.
        looks: u32,
        /// It was not found when it would have had to be: it is not there.
        #[serde(default)]
        is_absent: bool,
    },
    /// The payment system has it, and it is not over.
    Accepted {
        /// Since when.
        at: Timestamp,
    },
    /// It is done.
    Done {
        /// Since when.
        at: Timestamp,
    },
    /// It will not be done.
    Refused {
        /// Since when.
        at: Timestamp,
        /// What the payment system said.
        why: String,
    },
    /// The payment system has something else than we sent: nothing goes on without a person.
    Frozen {
        /// Since when.
        at: Timestamp,
        /// What differs.
        why: String,
    },
}

/// What is to be done about an operation next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationStep {
    /// Send the request.
    Send,
    /// Look whether the payment system has it.
    Look,
    /// See whether it is over.
    Check,
    /// Nothing.
    Rest,
}

/// Between two looks at what the payment system has taken in: as payments' links, ever more seldom.
const CHECK_GAP_MIN: Duration = Duration::from_secs(600);
const CHECK_GAP_MAX: Duration = Duration::from_secs(6 * 3600);

impl Operation {
    /// Whether it counts against what is left of its payment: it is done, or may be.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self.state, OperationState::Refused { .. })
    }

    /// Whether it is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, OperationState::Done { .. })
    }

    /// What is to be done next.
    #[must_use]
    pub fn step(&self) -> OperationStep {
        match self.state {
            OperationState::Planned | OperationState::Unknown { is_absent: true, .. } => OperationStep::Send,
            // Whoever was sending is gone.
            OperationState::Sending { .. } | OperationState::Unknown { is_absent: false, .. } => {
                OperationStep::Look
            }
            OperationState::Accepted { .. } => OperationStep::Check,
            OperationState::Done { .. } | OperationState::Refused { .. } | OperationState::Frozen { .. } => {
                OperationStep::Rest
            }
        }
    }

    /// The request is about to be sent.
    pub fn sends(&mut self, request: Private, now: Timestamp) {
        self.request.get_or_insert(request);
        if matches!(self.state, OperationState::Unknown { is_absent: true, .. }) {
            self.doubtful = false; // what was sent before did not arrive
        }
        self.state = OperationState::Sending { since: now };
    }

    /// Takes in what a call came to. The error says what is left to do, and when.
    pub fn answered(&mut self, answer: Answered<RemoteOperation>, now: Timestamp) -> Result<(), Again> {
        let is_accepted = match self.state {
            OperationState::Done { .. } | OperationState::Refused { .. } | OperationState::Frozen { .. } => {
                return Ok(());
            }
            OperationState::Accepted { .. } => true,
            OperationState::Planned | OperationState::Sending { .. } | OperationState::Unknown { .. } => {
                false
            }
        };
        match answer {
            Answered::Created(remote) | Answered::Stands(remote) => self.stands(remote, now),
            Answered::Found(remotes) => {
                let number = self.id.to_string();
                let mut own = remotes.into_iter().filter(|remote| remote.number == number);
                match (own.next(), own.next()) {
                    (Some(remote), None) => self.stands(remote, now),
                    (Some(_), Some(_)) => {
                        let why = "the payment system has more than one under this number".to_owned();
                        self.state = OperationState::Frozen { at: now, why };
                        Ok(())
                    }
                    // It was there: a list that shows it no more proves nothing.
                    (None, _) if is_accepted => {
                        Err(Again { after: None, why: "the payment system does not show it any more".into() })
                    }
                    (None, _) => Err(self.not_found(now)),
                }
            }
            _ if is_accepted => Err(Again { after: None, why: answer.why() }),
            Answered::NotDone(why) => {
                if let OperationState::Sending { since } = self.state {
                    self.state = if self.doubtful {
                        OperationState::Unknown { since, looks: 0, is_absent: false }
                    } else {
                        OperationState::Planned
                    };
                }
                Err(Again { after: None, why })
            }
            Answered::Refused(why) if self.doubtful => Err(self.doubts(now, why)),
            Answered::Refused(why) => {
                self.state = OperationState::Refused { at: now, why };
                Ok(())
            }
            Answered::Duplicate => Err(self.doubts(now, "its number is known there".into())),
            Answered::Unknown(why) if matches!(self.state, OperationState::Sending { .. }) => {
                Err(self.doubts(now, why))
            }
            Answered::NotSeen(why) => {
                if matches!(self.state, OperationState::Sending { .. }) {
                    self.doubts(now, String::new());
                }
                Err(Again { after: None, why })
            }
            Answered::Unknown(why) => Err(Again { after: None, why }),
            // What is said of payments alone.
            Answered::Dropped | Answered::Altered(..) | Answered::Unaltered(..) => Ok(()),
        }
    }

    fn doubts(&mut self, now: Timestamp, why: String) -> Again {
        self.doubtful = true;
        let since = if let OperationState::Unknown { since, .. } = self.state { since } else { now };
        self.state = OperationState::Unknown { since, looks: 0, is_absent: false };
        Again { after: Some(Duration::ZERO), why }
    }

    fn not_found(&mut self, now: Timestamp) -> Again {
        let (since, looks) = match self.state {
            OperationState::Unknown { since, looks, .. } => (since, looks + 1),
            OperationState::Sending { since } => (since, 1),
            OperationState::Planned
            | OperationState::Accepted { .. }
            | OperationState::Done { .. }
            | OperationState::Refused { .. }
            | OperationState::Frozen { .. } => (now, 1),
        };
        self.doubtful = true;
        let (is_absent, again) = looked_in_vain(since, looks, now);
        self.state = OperationState::Unknown { since, looks, is_absent };
        again
    }

    /// The payment system has it.
    fn stands(&mut self, remote: RemoteOperation, now: Timestamp) -> Result<(), Again> {
        if remote.number != self.id.to_string() || remote.amount != self.total {
            let RemoteOperation { number, amount, .. } = remote;
            let why = format!(
                "the payment system has {number:?} over {amount} instead of {} over {}",
                self.id, self.total
            );
            self.state = OperationState::Frozen { at: now, why };
            return Ok(());
        }
        self.remote_id = Some(remote.id);
        match remote.status {
            RemoteOperationStatus::Completed => self.state = OperationState::Done { at: now },
            RemoteOperationStatus::Canceled => {
                let why = "the payment system has called it off".to_owned();
                self.state = OperationState::Refused { at: now, why };
            }
            RemoteOperationStatus::Accepted => {
                let at = if let OperationState::Accepted { at } = self.state { at } else { now };
                self.state = OperationState::Accepted { at };
                let after = Some(between(at, now).clamp(CHECK_GAP_MIN, CHECK_GAP_MAX));
                return Err(Again { after, why: Again::WAITS.into() });
            }
        }
        Ok(())
    }
}
