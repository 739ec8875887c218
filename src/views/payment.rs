//! How an order is paid.

use serde::Serialize;
use utoipa::ToSchema;

use super::Frame;
use super::ReasonShape;
use super::amount::Amount;
use crate::kernel::{Money, Timestamp};
use crate::payments::{Checkout, Payment, PaymentPhase, PaymentProblem, PaymentState};
use crate::texts::Worded;

/// How an order is paid, as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentDocument {
    /// `requested`, `linked`, `held` (the money is set aside: capture it), `paid`, `refunded` (all of it was paid back), `expired`, `cancelled`, `failed` (the payment system will not have it), or
    /// `review`: money came that does not fit what the order is now, and a person decides.
    #[schema(value_type = String)]
    pub state: PaymentPhase,
    /// Where the buyer is sent. It stays the same while the order lives.
    pub url: String,
    /// Until when it can be paid.
    pub expires_at: Option<Timestamp>,
    /// What was asked for.
    pub amount: Option<Amount>,
    /// Since when it is paid.
    pub paid_at: Option<Timestamp>,
    /// What of it was paid back, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Amount>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReasonShape>)]
    pub problem: Option<Worded<PaymentProblem>>,
}

/// The address for an order's buyer: `way` is `pay` or `return`.
#[must_use]
pub fn buyers_address(public_url: &str, way: &str, checkout: &Checkout) -> String {
    format!("{public_url}/{way}/{}-{}", checkout.number, checkout.secret.expose())
}

/// Shows how an order is paid.
#[must_use]
pub fn payment_document(frame: Frame<'_>, checkout: &Checkout) -> PaymentDocument {
    let Frame { public_url, now, language } = frame;
    let state = checkout.phase(now);
    let url = buyers_address(public_url, "pay", checkout);
    let next = checkout.next.as_ref().map(|(_, bill)| bill);
    if let Some(bill) = next.filter(|_| checkout.waits_for_buyer(now)) {
        return PaymentDocument {
            state,
            url,
            expires_at: Some(bill.expires_at),
            amount: Some(bill.total.into()),
            paid_at: None,
            refunded: None,
            problem: None,
        };
    }
    let current = checkout.current();
    // What is asked for next, while what was asked for before is being cancelled.
    let asked = current
        .filter(|payment| next.is_none() || state != PaymentPhase::Requested || payment.superseded.is_none());
    let paid_at = current.and_then(|payment| match payment.state {
        PaymentState::Paid { at } => Some(at),
        PaymentState::Planned
        | PaymentState::Sending { .. }
        | PaymentState::Unknown { .. }
        | PaymentState::Linked { .. }
        | PaymentState::Held { .. }
        | PaymentState::Refused { .. }
        | PaymentState::Frozen { .. }
        | PaymentState::Cancelled { .. }
        | PaymentState::Expired { .. } => None,
    });
    let refunded = current.map(|payment| checkout.refunded(payment.id)).filter(|sum| *sum > Money::ZERO);
    PaymentDocument {
        state,
        url,
        expires_at: asked.map(|payment| &payment.bill).or(next).map(|bill| bill.expires_at),
        amount: asked.map(Payment::taken).or(next.map(|bill| bill.total)).map(Amount::from),
        paid_at,
        refunded: refunded.map(Amount::from),
        problem: current.and_then(Payment::problem).map(|problem| Worded::of(problem, language)),
    }
}
