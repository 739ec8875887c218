//! One payment: an order at the payment system under a number of its own.

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, NextCall};
use super::bill::Bill;
use super::note::{Mismatch, Refusal, Superseded};
use super::payment_id::PaymentId;
use crate::kernel::{Money, Private, Timestamp};

/// An order as the payment system shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemotePayment {
    /// The payment system's own id.
    pub id: String,
    /// The number that we gave it.
    pub number: String,
    /// The account that the order belongs to at the payment system.
    pub account: String,
    pub amount: Money,
    /// The currency, as the payment system writes it.
    pub currency: String,
    pub status: RemotePaymentStatus,
    /// The address where the buyer pays, if it is one that buyers may be sent
    /// to.
    pub url: Option<String>,
    /// The time until which it can be paid.
    pub expires_at: Option<Timestamp>,
}

impl RemotePayment {
    /// Whether the buyer has paid it, or its money is held.
    #[must_use]
    pub fn has_money(&self) -> bool {
        matches!(self.status, RemotePaymentStatus::Completed | RemotePaymentStatus::Held)
    }

    /// Whether a buyer may still pay it, as far as is known.
    #[must_use]
    pub fn is_payable(&self) -> bool {
        matches!(self.status, RemotePaymentStatus::Created | RemotePaymentStatus::Other(_))
    }
}

/// The status of an order at the payment system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemotePaymentStatus {
    /// It waits for the buyer to pay.
    Created,
    /// The money is held and not captured yet.
    Held,
    /// It is paid.
    Completed,
    /// Its time has run out.
    Expired,
    /// It was cancelled.
    Canceled,
    /// A status that means neither paid nor ended.
    Other(String),
}

/// One attempt to be paid for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub id: PaymentId,
    /// The revision of the order that it asks money for.
    pub revision: u32,
    /// Our account at the payment system.
    pub account: String,
    /// What it asks the buyer to pay.
    pub bill: Bill,
    /// The updated bill: the same sums with another description, payer or
    /// expiry. As far as is known, the payment system has not been sent it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_update: Option<PendingUpdate>,
    pub state: PaymentState,
    pub created_at: Timestamp,
    /// The request as it was first sent. Every later attempt sends the same
    /// bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Private>,
    /// Whether a call has ended with an unknown outcome.
    #[serde(default)]
    pub outcome_unknown: bool,
    /// Whether its bill and its request are in a document of their own: see
    /// `past_bill`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bill_is_apart: bool,
    /// Why it should no longer take money, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded: Option<Superseded>,
    /// Whether the site has been sent that the time to pay is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_is_reported: bool,
    /// The order at the payment system, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemotePayment>,
    /// The amount that was captured of the held money, if it differs from the
    /// bill's total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    /// The payment system's id of the order that was paid, as its notification
    /// states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_under: Option<String>,
}

/// An update that the payment system has not been sent yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingUpdate {
    /// The whole bill, updated.
    pub bill: Bill,
    /// Distinguishes two updates with the same bill. Two receivers may send
    /// different updates at the same moment, and it is unknown which of them
    /// arrived last.
    pub turn: u32,
}

/// The state of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum PaymentState {
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
    /// The buyer can pay.
    Linked { at: Timestamp },
    /// The buyer has agreed and the money is held: it will be captured or
    /// released.
    Held { at: Timestamp },
    /// It is paid.
    Paid { at: Timestamp },
    /// The payment system refused it.
    Refused { at: Timestamp, reason: Refusal },
    /// The payment system has something else than was sent: nothing continues
    /// until a person decides.
    NeedsReview { at: Timestamp, mismatch: Mismatch },
    /// It can no longer be paid.
    Cancelled { at: Timestamp },
    /// Its time ran out.
    Expired { at: Timestamp },
}

/// What to do about a payment next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send the request.
    Send,
    /// Look up whether the payment system has it.
    Look,
    /// Check its status at the payment system: a notification may have been
    /// lost.
    Check,
    /// Check its status at the payment system, and update it if it still waits
    /// for its buyer.
    Update,
    /// Check its status at the payment system, and cancel it.
    Cancel,
    /// Drop it: the payment system has nothing of it, and it is no longer
    /// wanted.
    Drop,
    /// Do nothing.
    Rest,
}

impl Payment {
    /// A payment of which nothing has been sent yet.
    #[must_use]
    pub fn planned(
        id: PaymentId,
        revision: u32,
        account: String,
        bill: Bill,
        now: Timestamp,
    ) -> Payment {
        Payment {
            id,
            revision,
            account,
            bill,
            pending_update: None,
            state: PaymentState::Planned,
            created_at: now,
            request: None,
            outcome_unknown: false,
            bill_is_apart: false,
            superseded: None,
            end_is_reported: false,
            remote: None,
            captured: None,
            paid_under: None,
        }
    }

    /// Whether it can take money, now or after a call that is in progress.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self.state {
            PaymentState::Planned
            | PaymentState::Sending { .. }
            | PaymentState::Unknown { .. }
            | PaymentState::Linked { .. }
            | PaymentState::Held { .. } => true,
            // It is unknown what such a payment can still do, so no other
            // payment is made next to it.
            PaymentState::NeedsReview { .. } => true,
            PaymentState::Paid { .. }
            | PaymentState::Refused { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Expired { .. } => false,
        }
    }

    /// Whether it is being created, or waits for its buyer.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_live() && !self.is_held() && !matches!(self.state, PaymentState::NeedsReview { .. })
    }

    #[must_use]
    pub fn was_paid(&self) -> bool {
        matches!(self.state, PaymentState::Paid { .. })
    }

    /// Whether its money is held and not captured.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.state, PaymentState::Held { .. })
    }

    /// The amount that was taken, once it is paid.
    #[must_use]
    pub fn taken(&self) -> Money {
        self.captured.unwrap_or(self.bill.total)
    }

    /// Whether its money was taken for the order's current state: not for an
    /// older revision, and not too late.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.was_paid() && self.superseded.is_none()
    }

    /// The address where the buyer pays, if it can be paid at `now`.
    #[must_use]
    pub fn link(&self, now: Timestamp) -> Option<&str> {
        let is_open =
            matches!(self.state, PaymentState::Linked { .. }) && self.superseded.is_none();
        let url = self.remote.as_ref()?.url.as_deref()?;
        (is_open && now < self.bill.expires_at).then_some(url)
    }

    /// What to do next.
    #[must_use]
    pub fn step(&self, now: Timestamp) -> Step {
        let is_unwanted = self.superseded.is_some() || now >= self.bill.expires_at;
        if let Some(progress) = self.progress() {
            return match progress.next() {
                NextCall::Send if is_unwanted => Step::Drop,
                NextCall::Send => Step::Send,
                NextCall::Look => Step::Look,
            };
        }
        match self.state {
            PaymentState::Linked { .. } | PaymentState::Held { .. }
                if self.superseded.is_some() =>
            {
                Step::Cancel
            }
            PaymentState::Linked { .. } if self.pending_update.is_some() => Step::Update,
            PaymentState::Linked { .. } | PaymentState::Held { .. } => Step::Check,
            PaymentState::Planned
            | PaymentState::Sending { .. }
            | PaymentState::Unknown { .. }
            | PaymentState::Paid { .. }
            | PaymentState::Refused { .. }
            | PaymentState::NeedsReview { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Expired { .. } => Step::Rest,
        }
    }

    /// Whether the payment system has something else than was requested.
    #[must_use]
    pub fn is_under_review(&self) -> bool {
        matches!(self.state, PaymentState::NeedsReview { .. })
    }

    /// Whether nothing more is planned for it, but a look-up can show what has
    /// become of it.
    #[must_use]
    pub fn may_have_changed(&self) -> bool {
        let is_settled = matches!(
            self.state,
            PaymentState::NeedsReview { .. }
                | PaymentState::Cancelled { .. }
                | PaymentState::Expired { .. }
        );
        is_settled && self.remote.is_some()
    }

    /// Whether money has come for it that can be accepted, refunded or
    /// released, because the payment system has it under our number.
    #[must_use]
    pub fn has_own_money_under_review(&self) -> bool {
        self.money_under_review().is_some_and(|remote| remote.number == self.id.to_string())
    }

    /// What the payment system has, if the payment is under review and the
    /// buyer has paid it, or its money is held.
    #[must_use]
    pub fn money_under_review(&self) -> Option<&RemotePayment> {
        self.remote.as_ref().filter(|remote| self.is_under_review() && remote.has_money())
    }

    /// Plans an update. It replaces an earlier one that has not been sent.
    pub(super) fn plan_update(&mut self, bill: Bill) {
        let turn = self.pending_update.as_ref().map_or(1, |earlier| earlier.turn + 1);
        self.pending_update = Some(PendingUpdate { bill, turn });
    }

    /// Marks the payment so that it takes no money any more. The first reason
    /// is kept.
    pub(super) fn supersede(&mut self, reason: Superseded) {
        self.superseded.get_or_insert(reason);
        self.pending_update = None;
    }
}
