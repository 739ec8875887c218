//! Operations on a payment's money: captures, refunds and reports of shipments.
//!
//! Each is an [`Attempt`]. Once its outcome is known, the payment system has
//! accepted it, or has completed it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, CallOutcome, NextCall, Progress, RetryLater};
use super::bill::Line;
use super::note::{Mismatch, Refusal, RetryReason};
use super::operation_id::{OperationId, OperationKind};
use crate::kernel::time::between;
use crate::kernel::{Fingerprint, Money, Private, Timestamp};

/// What is reported to a payment system when goods are handed over, so that it
/// issues the receipt of full payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShipmentReport {
    /// Nothing: the payment system issues no receipts for us.
    NotReported,
    /// A shipment, unless the money was captured: a capture counts as a report.
    ShipmentOrCapture,
    /// A shipment, whether or not the money was captured before.
    Shipment,
}

/// An operation as the payment system shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteOperation {
    /// The payment system's own id.
    pub id: String,
    /// The number that we gave it.
    pub number: String,
    pub amount: Money,
    pub status: RemoteOperationStatus,
}

/// The status of an operation at the payment system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteOperationStatus {
    /// It was accepted and is not completed yet.
    Accepted,
    /// It is completed.
    Completed,
    /// It will not be done.
    Canceled,
}

/// A refund, a capture or a report of a shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: OperationId,
    pub kind: OperationKind,
    /// The lines that it is about, with the part of each.
    pub lines: Vec<Line>,
    /// The sum of the lines, tax included.
    pub total: Money,
    /// The tax included in `total`.
    pub vat: Money,
    /// The reason, in the merchant's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub state: OperationState,
    pub created_at: Timestamp,
    /// Fingerprint of the request. It identifies a repeat of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_fingerprint: Option<Fingerprint>,
    /// The bytes of the call as it was first sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Private>,
    /// Whether a call has ended with an unknown outcome.
    #[serde(default)]
    pub outcome_unknown: bool,
    /// Its id at the payment system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
}

/// The state of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum OperationState {
    /// Certainly nothing has been sent.
    Planned,
    /// A call is in progress, or was when the process died.
    Sending {
        /// When the call began.
        since: Timestamp,
    },
    /// The outcome of a call is unknown: the payment system may have it.
    Unknown {
        since: Timestamp,
        /// How many look-ups have not found it.
        looks: u32,
        /// The look-ups did not find it although it would have been visible by
        /// now: the payment system does not have it.
        #[serde(default)]
        is_absent: bool,
    },
    /// The payment system has accepted it and has not completed it yet.
    Accepted { at: Timestamp },
    /// It is completed.
    Done { at: Timestamp },
    /// It will not be done.
    Refused { at: Timestamp, reason: Refusal },
    /// The payment system has something else than was sent: nothing continues
    /// until a person decides.
    NeedsReview { at: Timestamp, mismatch: Mismatch },
}

/// What to do about an operation next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationStep {
    /// Send the request.
    Send,
    /// Look up whether the payment system has it.
    Look,
    /// Check whether it is completed.
    Check,
    /// Do nothing.
    Rest,
}

/// The shortest and the longest time between two checks of an accepted
/// operation. As with payments' links, checks become rarer with age.
const CHECK_GAP_MIN: Duration = Duration::from_secs(600);
const CHECK_GAP_MAX: Duration = Duration::from_secs(6 * 3600);

impl Operation {
    /// Whether it reduces what is left of its payment: it is done, or may be.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self.state, OperationState::Refused { .. })
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, OperationState::Done { .. })
    }

    /// What to do next.
    #[must_use]
    pub fn step(&self) -> OperationStep {
        match (self.progress().map(Progress::next), &self.state) {
            (Some(NextCall::Send), _) => OperationStep::Send,
            (Some(NextCall::Look), _) => OperationStep::Look,
            (None, OperationState::Accepted { .. }) => OperationStep::Check,
            (None, _) => OperationStep::Rest,
        }
    }

    /// Records the outcome of a call. The error says what remains to be done,
    /// and when.
    pub fn take_outcome(
        &mut self,
        outcome: CallOutcome<RemoteOperation>,
        now: Timestamp,
    ) -> Result<(), RetryLater> {
        match self.state {
            OperationState::Done { .. }
            | OperationState::Refused { .. }
            | OperationState::NeedsReview { .. } => Ok(()),
            OperationState::Planned
            | OperationState::Sending { .. }
            | OperationState::Unknown { .. }
            | OperationState::Accepted { .. } => self.record(outcome, now),
        }
    }
}

impl Attempt for Operation {
    type RemotePayment = RemoteOperation;

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
            | OperationState::NeedsReview { .. } => None,
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
            self.state = OperationState::NeedsReview { at: now, mismatch };
            return Ok(());
        }
        self.remote_id = Some(remote.id);
        match remote.status {
            RemoteOperationStatus::Completed => self.state = OperationState::Done { at: now },
            RemoteOperationStatus::Canceled => self.refuse(Refusal::Cancelled, now),
            RemoteOperationStatus::Accepted => {
                let at = if let OperationState::Accepted { at } = self.state { at } else { now };
                self.state = OperationState::Accepted { at };
                return Err(RetryLater::waits(
                    between(at, now).clamp(CHECK_GAP_MIN, CHECK_GAP_MAX),
                ));
            }
        }
        Ok(())
    }

    fn refuse(&mut self, reason: Refusal, now: Timestamp) {
        self.state = OperationState::Refused { at: now, reason };
    }

    fn review(&mut self, mismatch: Mismatch, now: Timestamp) {
        self.state = OperationState::NeedsReview { at: now, mismatch };
    }

    /// The payment system did have it, so a list that no longer shows it proves
    /// nothing.
    fn not_shown(&self) -> Option<RetryLater> {
        let is_accepted = matches!(self.state, OperationState::Accepted { .. });
        is_accepted.then(|| RetryLater::because(RetryReason::NotShown))
    }
}
