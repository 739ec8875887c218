//! The payment of an order, as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use super::Frame;
use super::ReasonShape;
use super::amount::Amount;
use crate::kernel::{Money, Timestamp};
use crate::payments::{
    Bill, Checkout, Payment, PaymentMethod, PaymentPhase, PaymentProblem, PaymentState,
};
use crate::texts::WithText;

/// The payment of an order: its state, and the link for the buyer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentDocument {
    /// `requested` (the payment is being created), `linked` (the buyer can
    /// pay), `held` (the money is held: capture it), `paid`, `refunded` (all of
    /// it was refunded), `expired`, `cancelled`, `failed` (the payment system
    /// refused it, or has something else than was requested), or `review`:
    /// money came that does not match the order's current state, and a person
    /// decides.
    #[schema(value_type = String)]
    pub state: PaymentPhase,
    /// The address to send the buyer to. It stays the same for the life of the
    /// order.
    pub url: String,
    /// What the payer pays with. The field is absent if the payer chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<MethodDocument>,
    /// The time until which the order can be paid: RFC 3339, UTC; null if the
    /// order has no payment.
    pub expires_at: Option<Timestamp>,
    /// The amount that is requested; after a capture, the amount that was
    /// captured. Null if the order has no payment.
    pub amount: Option<Amount>,
    /// When the order was paid: RFC 3339, UTC; null if it was not.
    pub paid_at: Option<Timestamp>,
    /// How much of it was refunded. The field is absent if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Amount>,
    /// What is wrong with the payment. The field is absent if nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReasonShape>)]
    pub problem: Option<WithText<PaymentProblem>>,
}

/// What a payer pays with.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PaymentMethodDocument)]
pub struct MethodDocument {
    #[serde(rename = "type")]
    pub kind: PaymentMethod,
}

impl MethodDocument {
    /// What the merchant has asked for.
    fn of(bill: &Bill) -> Option<MethodDocument> {
        bill.wishes.method.map(|kind| MethodDocument { kind })
    }
}

/// The address of an order's page for its buyer. `way` is `pay` or `return`.
#[must_use]
pub fn buyers_address(public_url: &str, way: &str, checkout: &Checkout) -> String {
    format!("{public_url}/{way}/{}-{}", checkout.number, checkout.secret.expose())
}

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
            method: MethodDocument::of(bill),
            expires_at: Some(bill.expires_at),
            amount: Some(bill.total.into()),
            paid_at: None,
            refunded: None,
            problem: None,
        };
    }
    let current = checkout.current();
    // While the previous payment is being cancelled, show what will be
    // requested next.
    let asked = current.filter(|payment| {
        next.is_none() || state != PaymentPhase::Requested || payment.superseded.is_none()
    });
    let paid_at = current.and_then(|payment| match payment.state {
        PaymentState::Paid { at } => Some(at),
        PaymentState::Planned
        | PaymentState::Sending { .. }
        | PaymentState::Unknown { .. }
        | PaymentState::Linked { .. }
        | PaymentState::Held { .. }
        | PaymentState::Refused { .. }
        | PaymentState::NeedsReview { .. }
        | PaymentState::Cancelled { .. }
        | PaymentState::Expired { .. } => None,
    });
    let refunded =
        current.map(|payment| checkout.refunded(payment.id)).filter(|sum| *sum > Money::ZERO);
    PaymentDocument {
        state,
        url,
        method: asked.map(|payment| &payment.bill).or(next).and_then(MethodDocument::of),
        expires_at: asked.map(|payment| &payment.bill).or(next).map(|bill| bill.expires_at),
        amount: asked.map(Payment::taken).or(next.map(|bill| bill.total)).map(Amount::from),
        paid_at,
        refunded: refunded.map(Amount::from),
        problem: current.and_then(Payment::problem).map(|problem| WithText::of(problem, language)),
    }
}
