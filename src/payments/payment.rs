//! One payment: a number at the payment system, and what became of it.

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, NextCall};
use super::bill::Bill;
use super::note::{Mismatch, Refusal, Superseded};
use super::payment_id::PaymentId;
use crate::kernel::{Money, Private, Timestamp};

/// An order as the payment system has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Its own id.
    pub id: String,
    /// The number that we gave it.
    pub number: String,
    /// Whose order it is there.
    pub account: String,
    /// The sum.
    pub amount: Money,
    /// The currency.
    pub currency: String,
    /// Where it stands.
    pub status: RemoteStatus,
    /// Where the buyer pays, if the address is one that we may send a buyer to.
    pub url: Option<String>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
}

/// Where an order stands at the payment system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteStatus {
    /// It waits to be paid.
    Created,
    /// The money is set aside and not taken yet.
    Held,
    /// It is paid.
    Completed,
    /// Its time has run out.
    Expired,
    /// It was called off.
    Canceled,
    /// Something that is neither paid nor over.
    Other(String),
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Which.
    pub id: PaymentId,
    /// The revision of the order that it is for.
    pub revision: u32,
    /// Who we are at the payment system.
    pub account: String,
    /// What is to be paid.
    pub bill: Bill,
    /// What the bill is to be: the same sums, and other words, another payer or another time. The payment system has not been
    /// told yet, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alteration: Option<Alteration>,
    /// Where it stands.
    pub state: PaymentState,
    /// When it was planned.
    pub created_at: Timestamp,
    /// The request as it was sent first: every later attempt sends the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Private>,
    /// A call has ended so that it may have been carried out.
    #[serde(default)]
    pub outcome_unknown: bool,
    /// Its bill and its request lie in a document of their own: see `past_bill`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bill_is_apart: bool,
    /// It should take money no more, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded: Option<Superseded>,
    /// It was told that the time in which it could be paid is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end_is_told: bool,
    /// What the payment system has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// What was taken of the money that was held, if that is another sum than was to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Money>,
    /// The payment system's id of the order that was paid, by its notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_under: Option<String>,
}

/// What the payment system is to be told anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alteration {
    /// The whole bill, as it is to be.
    pub bill: Bill,
    /// Told again, it is another: two receivers may tell different things at the same moment, and nobody knows which of them
    /// came last.
    pub turn: u32,
}

/// Where a payment stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum PaymentState {
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
    /// It can be paid.
    Linked {
        /// Since when.
        at: Timestamp,
    },
    /// The buyer has agreed and the money is set aside: it is taken by a capture, or let go.
    Held {
        /// Since when.
        at: Timestamp,
    },
    /// It is paid.
    Paid {
        /// Since when.
        at: Timestamp,
    },
    /// The payment system will not have it.
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
    /// It can be paid no more.
    Cancelled {
        /// Since when.
        at: Timestamp,
    },
    /// Its time ran out.
    Expired {
        /// Since when.
        at: Timestamp,
    },
}

/// What is to be done about a payment next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send the request.
    Send,
    /// Look whether the payment system has it.
    Look,
    /// See where it stands there: a notification may have been lost.
    Check,
    /// See where it stands there, and alter it if it still waits for its buyer.
    Alter,
    /// See where it stands there, and call it off.
    Cancel,
    /// Let it go: nothing of it is at the payment system, and nobody wants it any more.
    Drop,
    /// Nothing: it is as it should be.
    Rest,
}

impl Payment {
    /// A payment that is only meant.
    #[must_use]
    pub fn planned(id: PaymentId, revision: u32, account: String, bill: Bill, now: Timestamp) -> Payment {
        Payment {
            id,
            revision,
            account,
            bill,
            alteration: None,
            state: PaymentState::Planned,
            created_at: now,
            request: None,
            outcome_unknown: false,
            bill_is_apart: false,
            superseded: None,
            end_is_told: false,
            remote: None,
            captured: None,
            paid_under: None,
        }
    }

    /// Whether it can take money, now or after what is under way.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self.state {
            PaymentState::Planned
            | PaymentState::Sending { .. }
            | PaymentState::Unknown { .. }
            | PaymentState::Linked { .. }
            | PaymentState::Held { .. } => true,
            // Nobody knows what a frozen one can do: no other is made beside it.
            PaymentState::Frozen { .. } => true,
            PaymentState::Paid { .. }
            | PaymentState::Refused { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Expired { .. } => false,
        }
    }

    /// Whether it is under way to its buyer, or waits for one.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_live() && !self.is_held() && !matches!(self.state, PaymentState::Frozen { .. })
    }

    /// Whether its money was taken.
    #[must_use]
    pub fn took_money(&self) -> bool {
        matches!(self.state, PaymentState::Paid { .. })
    }

    /// Whether its money is set aside and not taken.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.state, PaymentState::Held { .. })
    }

    /// What was taken, once it is paid.
    #[must_use]
    pub fn taken(&self) -> Money {
        self.captured.unwrap_or(self.bill.total)
    }

    /// Whether its money was taken for what the order is: not for an older revision, nor too late.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.took_money() && self.superseded.is_none()
    }

    /// Where the buyer pays, if it can be paid at `now`.
    #[must_use]
    pub fn link(&self, now: Timestamp) -> Option<&str> {
        let is_open = matches!(self.state, PaymentState::Linked { .. }) && self.superseded.is_none();
        let url = self.remote.as_ref()?.url.as_deref()?;
        (is_open && now < self.bill.expires_at).then_some(url)
    }

    /// What is to be done next.
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
            PaymentState::Linked { .. } | PaymentState::Held { .. } if self.superseded.is_some() => {
                Step::Cancel
            }
            PaymentState::Linked { .. } if self.alteration.is_some() => Step::Alter,
            PaymentState::Linked { .. } | PaymentState::Held { .. } => Step::Check,
            PaymentState::Planned
            | PaymentState::Sending { .. }
            | PaymentState::Unknown { .. }
            | PaymentState::Paid { .. }
            | PaymentState::Refused { .. }
            | PaymentState::Frozen { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Expired { .. } => Step::Rest,
        }
    }

    /// What is to be paid over there is not what was asked for, and somebody has paid it.
    #[must_use]
    pub fn is_frozen_with_money(&self) -> bool {
        let has_money =
            |remote: &Remote| matches!(remote.status, RemoteStatus::Completed | RemoteStatus::Held);
        matches!(self.state, PaymentState::Frozen { .. }) && self.remote.as_ref().is_some_and(has_money)
    }

    /// What else is to be said of it: the latest counts.
    pub(super) fn is_to_say(&mut self, bill: Bill) {
        let turn = self.alteration.as_ref().map_or(1, |earlier| earlier.turn + 1);
        self.alteration = Some(Alteration { bill, turn });
    }

    /// It is to take no money any more.
    pub(super) fn supersede(&mut self, reason: Superseded) {
        self.superseded.get_or_insert(reason);
        self.alteration = None;
    }
}
