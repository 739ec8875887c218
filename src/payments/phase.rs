//! The phase of an order's payment.

use serde::{Deserialize, Serialize};

use super::checkout::Checkout;
use super::note::{Mismatch, Refusal, Superseded};
use super::payment::{Payment, PaymentState};
use crate::kernel::Timestamp;

/// The phase of an order's payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentPhase {
    /// The payment is being created at the payment system.
    Requested,
    /// The buyer can pay.
    Linked,
    /// The money is held and can be captured.
    Held,
    /// The money has been received.
    Paid,
    /// All of the money has been refunded.
    Refunded,
    /// The time to pay is over.
    Expired,
    /// It can no longer be paid.
    Cancelled,
    /// The payment system refuses it, or has something else than was sent.
    Failed,
    /// Money came that does not match the order's current state: a person
    /// decides.
    Review,
}

/// A problem with a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PaymentProblem {
    /// Money came that should not have come.
    UnwantedMoney { reason: Superseded },
    /// The payment system refuses it.
    Refused { reason: Refusal },
    /// The payment system has something else than was sent.
    Mismatch { mismatch: Mismatch },
}

impl Checkout {
    /// The phase at `now`.
    #[must_use]
    pub fn phase(&self, now: Timestamp) -> PaymentPhase {
        if self.waits_for_buyer(now) {
            // The payment system has no payment yet, but the buyer's address
            // works.
            return PaymentPhase::Linked;
        }
        let Some(payment) = self.current() else {
            return if self.next.is_some() {
                PaymentPhase::Expired
            } else {
                PaymentPhase::Cancelled
            };
        };
        let is_superseded = payment.superseded.is_some();
        match payment.state {
            PaymentState::Paid { .. } if self.refunded(payment.id) == payment.taken() => {
                PaymentPhase::Refunded
            }
            PaymentState::Paid { .. } if is_superseded => PaymentPhase::Review,
            PaymentState::Paid { .. } => PaymentPhase::Paid,
            PaymentState::NeedsReview { .. } if payment.money_under_review().is_some() => {
                PaymentPhase::Review
            }
            PaymentState::Refused { .. } | PaymentState::NeedsReview { .. } => PaymentPhase::Failed,
            _ if is_superseded && self.next.is_some() => PaymentPhase::Requested,
            _ if is_superseded => PaymentPhase::Cancelled,
            PaymentState::Cancelled { .. } => PaymentPhase::Cancelled,
            PaymentState::Expired { .. } => PaymentPhase::Expired,
            PaymentState::Held { .. } => PaymentPhase::Held,
            _ if now >= payment.bill.expires_at => PaymentPhase::Expired,
            PaymentState::Linked { .. } => PaymentPhase::Linked,
            PaymentState::Planned | PaymentState::Sending { .. } | PaymentState::Unknown { .. } => {
                PaymentPhase::Requested
            }
        }
    }
}

impl Payment {
    /// The problem with this payment, if any.
    #[must_use]
    pub fn problem(&self) -> Option<PaymentProblem> {
        match &self.state {
            PaymentState::Paid { .. } => {
                self.superseded.clone().map(|reason| PaymentProblem::UnwantedMoney { reason })
            }
            PaymentState::Refused { reason, .. } => {
                Some(PaymentProblem::Refused { reason: reason.clone() })
            }
            PaymentState::NeedsReview { mismatch, .. } => {
                Some(PaymentProblem::Mismatch { mismatch: mismatch.clone() })
            }
            PaymentState::Planned
            | PaymentState::Sending { .. }
            | PaymentState::Unknown { .. }
            | PaymentState::Linked { .. }
            | PaymentState::Held { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Expired { .. } => None,
        }
    }
}
