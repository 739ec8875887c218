//! The checkout: everything about how an order is paid.

use serde::{Deserialize, Serialize};

use super::bill::{Bill, Customer};
use super::note::{Attention, Entry, PaymentNote};
use super::operation::Operation;
use super::payment::Payment;
use super::payment_id::PaymentId;
use crate::kernel::DocKey;
use crate::kernel::document::{self, Keyed};
use crate::kernel::{
    Document, Fingerprint, Kind, ListName, Money, PartyName, Private, Timestamp, Unreadable,
};
use crate::orders::{Number, listing};

/// The checkout of an order: its payments, and the buyer's return address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The number of the order.
    pub number: Number,
    /// The payment system, by its name in the configuration.
    pub gateway: PartyName,
    /// Our account at the payment system.
    pub account: String,
    /// The secret part of the buyer's addresses, so that nobody can guess them.
    pub secret: Private,
    /// The site's addresses for the buyer and for callbacks.
    pub urls: SiteUrls,
    /// Fingerprint of the merchant's request. It distinguishes a repeat from
    /// another order with the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_fingerprint: Option<Fingerprint>,
    /// The payments, oldest first.
    pub payments: Vec<Payment>,
    /// How many times the details of a bill were updated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub updates: u32,
    /// How many times the site has changed the order.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changes: u32,
    /// Captures, refunds and reported shipments, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
    /// What is to be paid next, with its revision. It waits until the payment
    /// before it has certainly ended and, if payments are made on demand, until
    /// the buyer asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<(u32, Bill)>,
    /// A payment is created when the buyer asks to pay, not before, because the
    /// payment system cannot cancel a payment that waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_demand: bool,
    /// The end of the time to pay that is being watched, while nobody has asked
    /// to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_end: Option<Timestamp>,
    /// The end of the time to pay that has been reported to the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_end: Option<Timestamp>,
    /// The contact of a marketplace order's buyer, as its hooks state it, for
    /// the bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Customer>,
    /// When the hooks that state the contact were sent: for the e-mail, and for
    /// the telephone.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub contact_said_at: [Option<Timestamp>; 2],
    /// The latest bill of the order, with its revision, if no payment asks for
    /// it because money had come for another bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<(u32, Bill)>,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Addresses of the merchant's site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteUrls {
    /// Where the buyer goes after a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<String>,
    /// Where the buyer goes if the payment failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<String>,
    /// Where the buyer returns to the site, at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// Where callbacks of this order go, if not to the site's usual address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

/// How many entries a history keeps. The oldest and the latest ones stay; older
/// ones are removed from the middle.
const HISTORY_MAX: usize = 200;

/// How many things are put before a person; further ones are only in the
/// history and the journal.
const ATTENTION_MAX: usize = 50;

/// How many payments an order may have.
pub(super) const ATTEMPTS_MAX: usize = 50;

impl Checkout {
    /// The key of an order's checkout.
    #[must_use]
    pub fn key(number: Number) -> DocKey {
        DocKey { partition: number.partition(), kind: Checkout::KIND, id: 0 }
    }

    /// The current payment: the one that paid the order; otherwise one that
    /// took money for something else and still has it; otherwise the latest.
    #[must_use]
    pub fn current(&self) -> Option<&Payment> {
        let paid = self.payments.iter().find(|payment| payment.is_paid());
        paid.or_else(|| self.payments.iter().find(|payment| self.has_unrefunded_money(payment)))
            .or(self.payments.last())
    }

    #[must_use]
    pub fn payment(&self, id: PaymentId) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.id == id)
    }

    pub fn payment_mut(&mut self, id: PaymentId) -> Option<&mut Payment> {
        self.payments.iter_mut().find(|payment| payment.id == id)
    }

    /// Appends an entry to the history.
    pub fn note(&mut self, at: Timestamp, payment: Option<PaymentId>, note: PaymentNote) {
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(HISTORY_MAX / 2);
        }
        self.history.push(Entry { at, payment, note });
    }

    /// Puts something before a person, unless it already is.
    pub fn flag(&mut self, at: Timestamp, payment: Option<PaymentId>, note: PaymentNote) {
        self.note(at, payment, note.clone());
        if !self.is_flagged(payment, &note) && self.attention.len() < ATTENTION_MAX {
            self.attention.push(Attention { at, payment, note });
        }
    }

    /// Whether this is already before a person.
    #[must_use]
    pub fn is_flagged(&self, payment: Option<PaymentId>, note: &PaymentNote) -> bool {
        self.attention.iter().any(|known| known.payment == payment && known.note == *note)
    }

    /// Records that a person has seen everything that was put before them.
    /// Money under review stays there until it is decided about.
    pub fn see(&mut self, now: Timestamp) {
        let (stays, seen) = std::mem::take(&mut self.attention)
            .into_iter()
            .partition(|known| known.payment.is_some_and(|id| self.has_money_under_review(id)));
        self.attention = stays;
        for Attention { payment, note, .. } in seen {
            self.note(now, payment, PaymentNote::Seen { note: Box::new(note) });
        }
    }

    fn has_money_under_review(&self, id: PaymentId) -> bool {
        self.payment(id).is_some_and(|payment| payment.money_under_review().is_some())
    }

    /// Removes notifications that did not match this payment from what is put
    /// before a person: a look-up has shown that it is paid as requested.
    pub fn resolve_mismatches(&mut self, payment: PaymentId) {
        self.attention.retain(|known| {
            known.payment != Some(payment)
                || !matches!(known.note, PaymentNote::NotificationMismatch { .. })
        });
    }

    /// Removes what was put before a person about this payment: it is resolved.
    pub fn resolve(&mut self, payment: PaymentId) {
        self.attention.retain(|known| !known.is_about(payment));
    }

    /// The amount that the page shows the buyer: what is to be paid now.
    #[must_use]
    pub fn sum_to_pay(&self) -> Option<Money> {
        let current = self.current();
        if current.is_some_and(|payment| self.has_unrefunded_money(payment)) {
            return current.map(Payment::taken);
        }
        self.next.as_ref().map(|(_, bill)| bill.total).or_else(|| current.map(Payment::taken))
    }

    /// The bill of the order at a revision, whether it is requested, waiting,
    /// or withheld because money had come.
    #[must_use]
    pub fn bill_of(&self, revision: u32) -> Option<&Bill> {
        let next = self.next.iter().map(|(of, bill)| (*of, bill));
        let withheld = self.withheld.iter().map(|(of, bill)| (*of, bill));
        let live = self.payments.iter().filter(|payment| payment.is_live());
        let updated = live
            .filter_map(|payment| Some((payment.revision, &payment.pending_update.as_ref()?.bill)));
        let request_fingerprint =
            self.payments.iter().rev().map(|payment| (payment.revision, &payment.bill));
        let known = next.chain(updated).chain(request_fingerprint).chain(withheld);
        let known = known.filter(|(of, _)| *of <= revision);
        // Of equal revisions the first one wins, so `max_by_key` does not fit.
        known
            .reduce(|best, other| if other.0 > best.0 { other } else { best })
            .map(|(_, bill)| bill)
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
    /// Whether it says that the payment system may not have the site's latest
    /// update.
    pub(super) fn is_about_update(&self) -> bool {
        matches!(self, PaymentNote::UpdateRefused { .. } | PaymentNote::UpdatedTooLate)
    }
}

impl Keyed for Checkout {
    fn key(&self) -> DocKey {
        Checkout::key(self.number)
    }
}

impl Document for Checkout {
    const KIND: Kind = Kind::new(5, "payments");
    const SCHEMA: u16 = 4;
    const OLDEST: u16 = 4;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        let waits = !self.attention.is_empty();
        waits.then(listing::waiting_for_a_person).into_iter().collect()
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Checkout, Unreadable> {
        document::decode(schema, bytes)
    }
}
