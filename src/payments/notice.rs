//! A notification of the payment system, judged against what we stored.

use super::checkout::Checkout;
use super::operation::OperationId;
use super::payment::{Payment, PaymentId};
use crate::kernel::money::{CURRENCY, is_our_currency};
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
    PaysOld(PaymentId, String),
    /// It was known.
    Repeated(PaymentId),
    /// The order is paid under another id.
    AlreadyPaid(PaymentId),
    /// Another sum.
    WrongAmount(String),
    /// Another currency.
    WrongCurrency(String),
    /// No payment of ours has this number.
    NotFound(String),
    /// It bears no number of ours, and nothing of ours has its id.
    NotOurs(String),
    /// It is somebody else's.
    Stranger(String),
    /// It is about another order at the payment system than the one we know under this number.
    OtherOrder(String),
    /// Not about being paid.
    Recorded(String),
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
            return Judgement::Stranger(format!("it is for the shop {named:?}, and we are {account:?}"));
        }
        if let Some(id) = self.operation()
            && checkout.is_some_and(|checkout| {
                same_id(&checkout.account, account) && checkout.operations.iter().any(|known| known.id == id)
            })
        {
            return Judgement::Recorded(format!("it is about {id}: what came of that is looked up"));
        }
        let found = self.number.parse().ok().and_then(|id: PaymentId| {
            let checkout = checkout?;
            let payment = checkout.payments.iter().find(|payment| payment.id == id)?;
            same_id(&checkout.account, account).then_some((checkout, payment))
        });
        let Some((checkout, payment)) = found else {
            return Judgement::NotFound(format!("there is no payment {:?}", self.number));
        };
        let id = payment.id;
        if let NoticeStatus::Other(status) = &self.status {
            return Judgement::Recorded(format!(
                "the status is {status:?}, which does not say that it is paid"
            ));
        }
        if self.currency.as_deref().is_some_and(|currency| !is_our_currency(currency)) {
            let currency = self.currency.as_deref().unwrap_or_default();
            return Judgement::WrongCurrency(format!("it is in {currency:?}, and we asked for {CURRENCY}"));
        }
        if payment.is_held() && checkout.is_being_captured(id) {
            return Judgement::Recorded("its money is being taken: what came of that is looked up".into());
        }
        if self.amount != payment.bill.total && self.amount != payment.taken() {
            let (amount, total) = (self.amount, payment.bill.total);
            return Judgement::WrongAmount(format!("it is about {amount}, and we asked for {total}"));
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
                let known = known.unwrap_or_default();
                Judgement::OtherOrder(format!(
                    "it has the id {}, and we know {known} under this number",
                    self.remote_id
                ))
            }
            None => Notice::pays(payment),
        }
    }

    fn pays(payment: &Payment) -> Judgement {
        match (&payment.superseded, payment.is_live()) {
            (Some(why), _) => Judgement::PaysOld(payment.id, why.clone()),
            (None, true) => Judgement::Pays(payment.id),
            (None, false) => Judgement::PaysOld(payment.id, "it could be paid no more".into()),
        }
    }
}
