//! A notification of the payment system, judged against what we stored.

use super::checkout::Checkout;
use super::note::{Mismatch, Recorded, Superseded};
use super::operation_id::OperationId;
use super::payment::Payment;
use super::payment_id::PaymentId;
use crate::kernel::Currency;
use crate::kernel::{Money, Timestamp, same_id};

/// A verified notification, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The payment system's own id of the order.
    pub remote_id: String,
    /// The payment system's own id of the payment that it is about, or whose refund it is about, if it says so.
    pub of_payment: Option<String>,
    /// The number that we gave it, a payment's or a refund's; empty in a test of the connection, and where it bears none of
    /// ours.
    pub number: String,
    /// Whose order it is there, if it is said.
    pub account: Option<String>,
    /// The sum.
    pub amount: Money,
    /// The currency, if it is named.
    pub currency: Option<String>,
    /// What happened.
    pub status: NoticeStatus,
    /// When what it is about was made over there, if it says so.
    pub made_at: Option<Timestamp>,
    /// It only tries whether anybody listens.
    pub is_test: bool,
}

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeStatus {
    /// Paid.
    Completed,
    /// Something else, in the sender's word.
    Other(String),
}

/// What a notification means to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// This payment is paid.
    Pays(PaymentId),
    /// Money came for a payment that should not take any more: a fact, for a person.
    PaysOld(PaymentId, Superseded),
    /// It was known.
    Repeated(PaymentId),
    /// The order is paid under another id.
    AlreadyPaid(PaymentId),
    /// Another sum.
    WrongAmount(Mismatch),
    /// Another currency.
    WrongCurrency(Mismatch),
    /// No payment of ours has its number.
    NotFound,
    /// It bears no number of ours, and nothing of ours has its id.
    NotOurs,
    /// It is for another account.
    Stranger(Mismatch),
    /// It is about another order at the payment system than the one we know under this number.
    OtherOrder(Mismatch),
    /// Not about being paid.
    Recorded(Recorded),
}

impl Notice {
    /// The refund, capture or shipment that it is about, if it is about one.
    #[must_use]
    pub fn operation(&self) -> Option<OperationId> {
        self.number.parse().ok()
    }

    /// The payment that it is about, or the one whose refund it is about.
    #[must_use]
    pub fn payment(&self) -> Option<PaymentId> {
        self.number.parse().ok().or_else(|| Some(self.operation()?.payment))
    }

    /// Judges it against the checkout that its number leads to. `account` is who we are at the payment system.
    #[must_use]
    pub fn judge(&self, account: &str, checkout: Option<&Checkout>) -> Judgement {
        if let Some(named) = self.account.as_deref().filter(|named| !same_id(named, account)) {
            let (found, expected) = (named.to_owned(), account.to_owned());
            return Judgement::Stranger(Mismatch::Account { found, expected });
        }
        if let Some(id) = self.operation()
            && checkout.is_some_and(|checkout| {
                same_id(&checkout.account, account) && checkout.operations.iter().any(|known| known.id == id)
            })
        {
            return Judgement::Recorded(Recorded::Operation { operation: id });
        }
        let found = self.number.parse().ok().and_then(|id: PaymentId| {
            let checkout = checkout?;
            let payment = checkout.payments.iter().find(|payment| payment.id == id)?;
            same_id(&checkout.account, account).then_some((checkout, payment))
        });
        let Some((checkout, payment)) = found else {
            return Judgement::NotFound;
        };
        let id = payment.id;
        if let NoticeStatus::Other(status) = &self.status {
            return Judgement::Recorded(Recorded::Status { status: status.clone() });
        }
        let expected = payment.bill.total.currency();
        let is_other = |found: &&String| Currency::read(found) != Some(expected);
        if let Some(found) = self.currency.as_ref().filter(is_other) {
            let mismatch = Mismatch::NoticeCurrency { found: found.clone(), expected };
            return Judgement::WrongCurrency(mismatch);
        }
        if payment.is_held() && checkout.is_being_captured(id) {
            return Judgement::Recorded(Recorded::BeingCaptured);
        }
        if self.amount != payment.bill.total && self.amount != payment.taken() {
            let (found, expected) = (self.amount, payment.bill.total);
            return Judgement::WrongAmount(Mismatch::NoticeAmount { found, expected });
        }
        let of_remote = payment.remote.as_ref().map(|remote| remote.id.as_str());
        let known = payment.paid_under.as_deref().or(of_remote);
        let is_other = known.is_some_and(|known| !same_id(known, &self.remote_id));
        if payment.took_money() {
            return if is_other { Judgement::AlreadyPaid(id) } else { Judgement::Repeated(id) };
        }
        match checkout.payments.iter().find(|other| checkout.keeps_money(other)) {
            Some(paid) => Judgement::AlreadyPaid(paid.id),
            None if is_other => {
                let expected = known.unwrap_or_default().to_owned();
                Judgement::OtherOrder(Mismatch::RemoteId { found: self.remote_id.clone(), expected })
            }
            None => Notice::pays(payment),
        }
    }

    fn pays(payment: &Payment) -> Judgement {
        match (&payment.superseded, payment.is_live()) {
            (Some(why), _) => Judgement::PaysOld(payment.id, why.clone()),
            (None, true) => Judgement::Pays(payment.id),
            (None, false) => Judgement::PaysOld(payment.id, Superseded::Ended),
        }
    }
}
