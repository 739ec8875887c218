//! How far an order's being paid has come, in one word.

use serde::{Deserialize, Serialize};

use super::checkout::Checkout;
use super::note::{Mismatch, Refusal, Superseded};
use super::payment::{Payment, PaymentState};
use crate::kernel::Timestamp;

/// How far an order's being paid has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentPhase {
    /// A payment is being made at the payment system.
    Requested,
    /// The buyer can pay.
    Linked,
    /// The money is held: it is to be captured.
    Held,
    /// The money is there.
    Paid,
    /// All of it was paid back.
    Refunded,
    /// The time to pay is over.
    Expired,
    /// It can be paid no more.
    Cancelled,
    /// The payment system refuses it.
    Failed,
    /// Money came that does not fit what the order is now: a person decides.
    Review,
}

/// What is wrong with a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PaymentProblem {
    /// Its money should not have come.
    UnwantedMoney { reason: Superseded },
    /// The payment system refuses it.
    Refused { reason: Refusal },
    /// The payment system has something else than was sent.
    Mismatch { mismatch: Mismatch },
}

impl Checkout {
    /// How far it has come.
    #[must_use]
    pub fn phase(&self, now: Timestamp) -> PaymentPhase {
        if self.waits_for_buyer(now) {
            return PaymentPhase::Linked; // nothing is at the payment system, and the buyer's address works
        }
        let Some(payment) = self.current() else {
            return if self.next.is_some() { PaymentPhase::Expired } else { PaymentPhase::Cancelled };
        };
        let is_superseded = payment.superseded.is_some();
        match payment.state {
            PaymentState::Paid { .. } if self.refunded(payment.id) == payment.taken() => {
                PaymentPhase::Refunded
            }
            PaymentState::Paid { .. } if is_superseded => PaymentPhase::Review,
            PaymentState::Paid { .. } => PaymentPhase::Paid,
            PaymentState::Refused { .. } | PaymentState::Frozen { .. } => PaymentPhase::Failed,
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
    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> Option<PaymentProblem> {
        match &self.state {
            PaymentState::Paid { .. } => {
                self.superseded.clone().map(|reason| PaymentProblem::UnwantedMoney { reason })
            }
            PaymentState::Refused { reason, .. } => Some(PaymentProblem::Refused { reason: reason.clone() }),
            PaymentState::Frozen { mismatch, .. } => {
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
