//! Everything about an order's being paid.

use serde::{Deserialize, Serialize};

use super::bill::{Bill, Customer};
use super::note::{Attention, Entry, PaymentNote};
use super::operation::Operation;
use super::payment::Payment;
use super::payment_id::PaymentId;
use crate::kernel::DocKey;
use crate::kernel::document::{decode_json, encode_json};
use crate::kernel::{Document, Fingerprint, Kind, Money, PartyName, Private, Timestamp, Unreadable};
use crate::orders::Number;

/// The checkout of an order: its payments, and the way back for its buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The order.
    pub number: Number,
    /// The configured payment system.
    pub gateway: PartyName,
    /// Who we are there.
    pub account: String,
    /// What the buyer's addresses bear, so that nobody can guess them.
    pub secret: Private,
    /// Where the buyer goes afterwards, and the site hears.
    pub ways: Ways,
    /// Of what the merchant asked for, to tell a repeat from another order under the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Fingerprint>,
    /// The payments, oldest first.
    pub payments: Vec<Payment>,
    /// How often something was said anew of what is asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub alterations: u32,
    /// How often its site has changed it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changes: u32,
    /// What was done with the money that came, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
    /// What is to be paid next: when the payment before it is certainly dead and, if payments are made on demand, when the
    /// buyer asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<(u32, Bill)>,
    /// A payment is made when the buyer asks to pay, not before: the payment system cannot cancel one that waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_demand: bool,
    /// Until when the order can be paid for which nobody has asked to pay: that end is being watched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_end: Option<Timestamp>,
    /// That end was told to the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_end: Option<Timestamp>,
    /// How the buyer of a marketplace's order is reached, as its hooks say: for the bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Customer>,
    /// When the hooks were sent that say so: the e-mail, the telephone.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub contact_said_at: [Option<Timestamp>; 2],
    /// What the order came to last, if no payment asks for it because money had come for another bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<(u32, Bill)>,
    /// What happened, for the journal.
    #[serde(default)]
    pub history: Vec<Entry>,
    /// What a person should look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<Attention>,
}

fn is_unset(moments: &[Option<Timestamp>; 2]) -> bool {
    moments.iter().all(Option::is_none)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Addresses of the merchant's site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// After a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<String>,
    /// When it did not come to a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<String>,
    /// Back to the shop, at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// Where the site hears of this order, if not where it hears of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

/// Entries that a history keeps; the first and the latest stay.
const HISTORY_MAX: usize = 200;

/// Things that are put before a person; what comes then stands in the history and the journal.
const ATTENTION_MAX: usize = 50;

/// Payments that an order may have.
pub(super) const ATTEMPTS_MAX: usize = 50;

impl Checkout {
    /// Where the checkout of an order lies.
    #[must_use]
    pub fn key(number: Number) -> DocKey {
        DocKey { partition: number.partition(), kind: Checkout::KIND, id: 0 }
    }

    /// The payment that counts: the paid one, else one whose money has come for something else and is still there, else the
    /// latest.
    #[must_use]
    pub fn current(&self) -> Option<&Payment> {
        let paid = self.payments.iter().find(|payment| payment.is_paid());
        paid.or_else(|| self.payments.iter().find(|payment| self.keeps_money(payment)))
            .or(self.payments.last())
    }

    /// The payment with this number.
    pub fn payment_mut(&mut self, id: PaymentId) -> Option<&mut Payment> {
        self.payments.iter_mut().find(|payment| payment.id == id)
    }

    /// Writes down what happened.
    pub fn note(&mut self, at: Timestamp, payment: Option<PaymentId>, note: PaymentNote) {
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(HISTORY_MAX / 2);
        }
        self.history.push(Entry { at, payment, note });
    }

    /// Puts something before a person, once.
    pub fn flag(&mut self, at: Timestamp, payment: Option<PaymentId>, note: PaymentNote) {
        self.note(at, payment, note.clone());
        if !self.is_flagged(payment, &note) && self.attention.len() < ATTENTION_MAX {
            self.attention.push(Attention { at, payment, note });
        }
    }

    /// Whether that is before a person already.
    #[must_use]
    pub fn is_flagged(&self, payment: Option<PaymentId>, note: &PaymentNote) -> bool {
        self.attention.iter().any(|known| known.payment == payment && known.note == *note)
    }

    /// A person has looked at all of it.
    pub fn see(&mut self, now: Timestamp) {
        for Attention { payment, note, .. } in std::mem::take(&mut self.attention) {
            self.note(now, payment, PaymentNote::Seen { note: Box::new(note) });
        }
    }

    /// What a person was to look at about a payment is done with.
    pub fn resolve(&mut self, payment: PaymentId) {
        self.attention.retain(|known| !known.is_about(payment));
    }

    /// What the buyer is to pay now: the sum that a page shows.
    #[must_use]
    pub fn sum_to_pay(&self) -> Option<Money> {
        let current = self.current();
        if current.is_some_and(|payment| self.keeps_money(payment)) {
            return current.map(Payment::taken);
        }
        self.next.as_ref().map(|(_, bill)| bill.total).or_else(|| current.map(Payment::taken))
    }

    /// What the order comes to at a revision: as it is asked for, or waits to be, or as it would be had no money come.
    #[must_use]
    pub fn bill_of(&self, revision: u32) -> Option<&Bill> {
        let next = self.next.iter().map(|(of, bill)| (*of, bill));
        let unasked = self.unasked.iter().map(|(of, bill)| (*of, bill));
        let live = self.payments.iter().filter(|payment| payment.is_live());
        let altered = live.filter_map(|payment| Some((payment.revision, &payment.alteration.as_ref()?.bill)));
        let asked = self.payments.iter().rev().map(|payment| (payment.revision, &payment.bill));
        let known = next.chain(altered).chain(asked).chain(unasked);
        let known = known.filter(|(of, _)| *of <= revision);
        // Of one revision the first that was found, which is why there is no `max_by_key`.
        known.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, bill)| bill)
    }
}

impl Attention {
    /// Whether it is about this payment, or names it.
    fn is_about(&self, payment: PaymentId) -> bool {
        let is_named = if let PaymentNote::PaidTwice { paid, .. } = &self.note {
            *paid == payment
        } else if let PaymentNote::CapturedOtherTotal { capture, .. } = &self.note {
            capture.payment == payment
        } else {
            false
        };
        self.payment == Some(payment) || is_named
    }
}

impl PaymentNote {
    /// Whether it says that the payment system may not have taken over what the site has changed.
    pub(super) fn is_about_alteration(&self) -> bool {
        matches!(self, PaymentNote::AlterationRefused { .. } | PaymentNote::AlteredTooLate)
    }
}

impl Document for Checkout {
    const KIND: Kind = Kind::unlisted(5, "payments");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        encode_json(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Checkout, Unreadable> {
        decode_json(schema, bytes)
    }
}
