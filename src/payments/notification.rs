//! Judges a notification of a payment system against what is stored.

use super::checkout::Checkout;
use super::note::{Mismatch, Recorded, Superseded};
use super::operation_id::OperationId;
use super::payment::Payment;
use super::payment_id::PaymentId;
use crate::kernel::Currency;
use crate::kernel::{Money, Timestamp, same_id};

/// A verified notification, in terms that all payment systems share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The payment system's id of the order.
    pub remote_id: String,
    /// The payment system's id of the payment that it is about, or whose refund
    /// it is about, if the notification states it.
    pub of_payment: Option<String>,
    /// The number that we gave to the payment or the refund. Empty in a test of
    /// the connection, and if the notification carries no number of ours.
    pub number: String,
    /// The account that the order belongs to at the payment system, if stated.
    pub account: Option<String>,
    pub amount: Money,
    /// The currency, if stated.
    pub currency: Option<String>,
    pub status: NotificationStatus,
    /// When the object of the notification was created at the payment system,
    /// if stated.
    pub made_at: Option<Timestamp>,
    /// Whether it only tests that notifications arrive.
    pub is_test: bool,
}

/// The status that a notification reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationStatus {
    Completed,
    /// Another status, in the sender's own word.
    Other(String),
}

/// What a notification means for the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationVerdict {
    /// This payment is paid.
    Pays(PaymentId),
    /// Money came for a payment that should no longer take any. The fact is
    /// recorded and put before a person.
    PaysOld(PaymentId, Superseded),
    /// This payment is already known to be paid.
    Repeated(PaymentId),
    /// The order is already paid under another id.
    AlreadyPaid(PaymentId),
    /// The amount differs.
    WrongAmount(Mismatch),
    /// The currency differs.
    WrongCurrency(Mismatch),
    /// No payment of ours has this number.
    NotFound,
    /// It carries no number of ours, and nothing of ours has its id.
    NotOurs,
    /// It is for another account.
    Stranger(Mismatch),
    /// It is about another order at the payment system than the one stored
    /// under this number.
    OtherOrder(Mismatch),
    /// Not about a payment being made: recorded without any other effect.
    Recorded(Recorded),
}

impl Notification {
    /// The refund, capture or shipment that it is about, if any.
    #[must_use]
    pub fn operation(&self) -> Option<OperationId> {
        self.number.parse().ok()
    }

    /// The payment that it is about, or the one whose refund it is about.
    #[must_use]
    pub fn payment(&self) -> Option<PaymentId> {
        self.number.parse().ok().or_else(|| Some(self.operation()?.payment))
    }

    /// Judges the notification against the checkout that its number leads to.
    /// `account` is our account at the payment system.
    #[must_use]
    pub fn judge(&self, account: &str, checkout: Option<&Checkout>) -> NotificationVerdict {
        if let Some(named) = self.account.as_deref().filter(|named| !same_id(named, account)) {
            let (found, expected) = (named.to_owned(), account.to_owned());
            return NotificationVerdict::Stranger(Mismatch::Account { found, expected });
        }
        if let Some(id) = self.operation()
            && checkout.is_some_and(|checkout| {
                same_id(&checkout.account, account)
                    && checkout.operations.iter().any(|known| known.id == id)
            })
        {
            return NotificationVerdict::Recorded(Recorded::Operation { operation: id });
        }
        let found = self.number.parse().ok().and_then(|id: PaymentId| {
            let checkout = checkout?;
            let payment = checkout.payment(id)?;
            same_id(&checkout.account, account).then_some((checkout, payment))
        });
        let Some((checkout, payment)) = found else {
            return NotificationVerdict::NotFound;
        };
        let id = payment.id;
        if let NotificationStatus::Other(status) = &self.status {
            return NotificationVerdict::Recorded(Recorded::Status { status: status.clone() });
        }
        let expected = payment.bill.total.currency();
        let is_other = |found: &&String| Currency::read(found) != Some(expected);
        if let Some(found) = self.currency.as_ref().filter(is_other) {
            let mismatch = Mismatch::NotificationCurrency { found: found.clone(), expected };
            return NotificationVerdict::WrongCurrency(mismatch);
        }
        if payment.is_held() && checkout.is_being_captured(id) {
            return NotificationVerdict::Recorded(Recorded::BeingCaptured);
        }
        if self.amount != payment.bill.total && self.amount != payment.taken() {
            let (found, expected) = (self.amount, payment.bill.total);
            return NotificationVerdict::WrongAmount(Mismatch::NotificationAmount {
                found,
                expected,
            });
        }
        self.judge_payment(checkout, payment)
    }

    /// Judges a notification of the right sum, by what is known of the payment.
    fn judge_payment(&self, checkout: &Checkout, payment: &Payment) -> NotificationVerdict {
        let id = payment.id;
        let of_remote = payment.remote.as_ref().map(|remote| remote.id.as_str());
        let known = payment.paid_under.as_deref().or(of_remote);
        let is_other = known.is_some_and(|known| !same_id(known, &self.remote_id));
        if payment.was_paid() {
            return if is_other {
                NotificationVerdict::AlreadyPaid(id)
            } else {
                NotificationVerdict::Repeated(id)
            };
        }
        match checkout.payments.iter().find(|other| checkout.has_unrefunded_money(other)) {
            Some(paid) => NotificationVerdict::AlreadyPaid(paid.id),
            None if is_other => {
                let expected = known.unwrap_or_default().to_owned();
                NotificationVerdict::OtherOrder(Mismatch::RemoteId {
                    found: self.remote_id.clone(),
                    expected,
                })
            }
            None => Notification::pays(payment),
        }
    }

    fn pays(payment: &Payment) -> NotificationVerdict {
        match (&payment.superseded, payment.is_live()) {
            (Some(why), _) => NotificationVerdict::PaysOld(payment.id, why.clone()),
            (None, true) => NotificationVerdict::Pays(payment.id),
            (None, false) => NotificationVerdict::PaysOld(payment.id, Superseded::Ended),
        }
    }
}
