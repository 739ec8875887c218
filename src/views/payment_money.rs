//! The sums of one payment, for the operator who decides about them.

use serde::Serialize;

use super::amount::Amount;
use super::next_step::next_steps_of;
use crate::kernel::Money;
use crate::orders::{Number, Order};
use crate::payments::{Checkout, Payment, PaymentId, PaymentState};

/// The sums of a payment.
#[derive(Debug, Clone, Serialize)]
pub struct PaymentMoney {
    id: PaymentId,
    order: Number,
    /// The state of the payment, such as `paid` or `needs_review`.
    state: PaymentState,
    /// The id at the payment system.
    remote_id: Option<String>,
    asked: Amount,
    /// Received, refunds not subtracted.
    came: Amount,
    /// Held and not captured.
    held: Amount,
    refunded: Amount,
    /// Requested refunds that are not over.
    being_refunded: Amount,
    /// What is left to refund.
    left: Amount,
    /// `came` less `asked`, once money has come: negative if less came.
    difference: Option<Amount>,
    /// Commands that decide about it.
    next_steps: Vec<String>,
}

#[must_use]
pub fn payment_money(order: &Order, checkout: &Checkout, id: PaymentId) -> Option<PaymentMoney> {
    let payment = checkout.payment(id)?;
    let came = came(payment);
    let refunded = checkout.refunded(id);
    let counted = checkout.refunds().filter(|refund| refund.id.payment == id && refund.counts());
    let counted = counted.fold(0, |sum: i64, refund| sum.saturating_add(refund.total.kopecks()));
    let less = |whole: Money, part: i64| Money::from_kopecks((whole.kopecks() - part).max(0));
    let difference = came.kopecks() - payment.bill.total.kopecks();
    Some(PaymentMoney {
        id,
        order: order.number,
        state: payment.state.clone(),
        remote_id: payment.remote.as_ref().map(|remote| remote.id.clone()),
        asked: payment.bill.total.into(),
        came: came.into(),
        held: if payment.is_held() { payment.taken() } else { Money::ZERO }.into(),
        refunded: refunded.into(),
        being_refunded: Money::from_kopecks((counted - refunded.kopecks()).max(0)).into(),
        left: less(came, counted).into(),
        difference: (came > Money::ZERO).then(|| Money::from_kopecks(difference).into()),
        next_steps: next_steps_of(checkout, id),
    })
}

fn came(payment: &Payment) -> Money {
    if payment.was_paid() {
        return payment.taken();
    }
    payment.other_amount().unwrap_or(Money::ZERO)
}
