//! What is done with money that came: paid back, or matched by goods that were shipped.
//!
//! Each is an [`Attempt`]: what is known of it is that the payment system has accepted it, or that it is done.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, CallOutcome, NextCall, Progress, RetryLater};
use super::bill::Line;
use super::note::{Mismatch, Refusal, RetryReason};
use super::operation_id::{OperationId, OperationKind};
use crate::kernel::time::between;
use crate::kernel::{Fingerprint, Money, Private, Timestamp};

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
    pub outcome_unknown: bool,
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
        /// Why.
        reason: Refusal,
    },
    /// The payment system has something else than we sent: nothing goes on without a person.
    Frozen {
        /// Since when.
        at: Timestamp,
        /// What differs.
        mismatch: Mismatch,
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
        match (self.progress().map(Progress::next), &self.state) {
            (Some(NextCall::Send), _) => OperationStep::Send,
            (Some(NextCall::Look), _) => OperationStep::Look,
            (None, OperationState::Accepted { .. }) => OperationStep::Check,
            (None, _) => OperationStep::Rest,
        }
    }

    /// Takes in what a call came to. The error says what is left to do, and when.
    pub fn take_outcome(
        &mut self,
        outcome: CallOutcome<RemoteOperation>,
        now: Timestamp,
    ) -> Result<(), RetryLater> {
        match self.state {
            OperationState::Done { .. } | OperationState::Refused { .. } | OperationState::Frozen { .. } => {
                Ok(())
            }
            OperationState::Planned
            | OperationState::Sending { .. }
            | OperationState::Unknown { .. }
            | OperationState::Accepted { .. } => self.record(outcome, now),
        }
    }
}

impl Attempt for Operation {
    type Remote = RemoteOperation;

    fn progress(&self) -> Option<Progress> {
        match self.state {
            OperationState::Planned => Some(Progress::Planned),
            OperationState::Sending { since } => Some(Progress::Sending { since }),
            OperationState::Unknown { since, looks, is_absent } => {
                Some(Progress::Unknown { since, looks, is_absent })
            }
            OperationState::Accepted { .. }
            | OperationState::Done { .. }
            | OperationState::Refused { .. }
            | OperationState::Frozen { .. } => None,
        }
    }

    fn set_progress(&mut self, progress: Progress) {
        self.state = match progress {
            Progress::Planned => OperationState::Planned,
            Progress::Sending { since } => OperationState::Sending { since },
            Progress::Unknown { since, looks, is_absent } => {
                OperationState::Unknown { since, looks, is_absent }
            }
        };
    }

    fn request_mut(&mut self) -> &mut Option<Private> {
        &mut self.request
    }

    fn outcome_unknown_mut(&mut self) -> &mut bool {
        &mut self.outcome_unknown
    }

    fn is_own(&self, remote: &RemoteOperation) -> bool {
        remote.number == self.id.to_string()
    }

    fn known(&mut self, remote: RemoteOperation, now: Timestamp) -> Result<(), RetryLater> {
        if !self.is_own(&remote) || remote.amount != self.total {
            let RemoteOperation { number: found, amount: found_amount, .. } = remote;
            let (expected, expected_amount) = (self.id, self.total);
            let mismatch = Mismatch::Operation { found, found_amount, expected, expected_amount };
            self.state = OperationState::Frozen { at: now, mismatch };
            return Ok(());
        }
        self.remote_id = Some(remote.id);
        match remote.status {
            RemoteOperationStatus::Completed => self.state = OperationState::Done { at: now },
            RemoteOperationStatus::Canceled => self.refuse(Refusal::Cancelled, now),
            RemoteOperationStatus::Accepted => {
                let at = if let OperationState::Accepted { at } = self.state { at } else { now };
                self.state = OperationState::Accepted { at };
                return Err(RetryLater::waits(between(at, now).clamp(CHECK_GAP_MIN, CHECK_GAP_MAX)));
            }
        }
        Ok(())
    }

    fn refuse(&mut self, reason: Refusal, now: Timestamp) {
        self.state = OperationState::Refused { at: now, reason };
    }

    fn review(&mut self, mismatch: Mismatch, now: Timestamp) {
        self.state = OperationState::Frozen { at: now, mismatch };
    }

    /// It was there: a list that shows it no more proves nothing.
    fn not_shown(&self) -> Option<RetryLater> {
        let is_accepted = matches!(self.state, OperationState::Accepted { .. });
        is_accepted.then(|| RetryLater::because(RetryReason::NotShown))
    }
}
