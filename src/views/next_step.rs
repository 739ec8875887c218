//! The commands with which an operator settles what needs attention.

use crate::kernel::Money;
use crate::orders::Number;
use crate::payments::{
    Attention, Checkout, OperationId, OperationKind, Payment, PaymentId, PaymentNote,
};

/// Retries the calls to payment systems that were given up.
const RETRY_PAYMENTS: &str = "tillgate outbox retry --all --lane payment";

/// The commands for one reason for attention, the likeliest first. The last one
/// dismisses it, unless it is about money that needs a decision.
#[must_use]
pub fn next_steps(checkout: &Checkout, attention: &Attention) -> Vec<String> {
    let payment = attention.payment.and_then(|id| checkout.payment(id));
    let mut steps = steps_of(checkout.number, attention, payment);
    if payment.is_none_or(|payment| payment.money_under_review().is_none()) {
        steps.push(dismissal(checkout.number));
    }
    steps
}

/// The commands for everything about one payment.
#[must_use]
pub fn next_steps_of(checkout: &Checkout, id: PaymentId) -> Vec<String> {
    let mut steps = Vec::new();
    for attention in checkout.attention.iter().filter(|known| known.payment == Some(id)) {
        for step in next_steps(checkout, attention) {
            // Of commands for several reasons, the dismissal stays the last.
            steps.retain(|known| *known != step);
            steps.push(step);
        }
    }
    steps
}

fn steps_of(number: Number, attention: &Attention, payment: Option<&Payment>) -> Vec<String> {
    let under_review = payment.filter(|payment| payment.is_under_review());
    if let Some(payment) = under_review {
        return review_steps(payment);
    }
    let payment = attention.payment.map(|id| id.to_string()).unwrap_or_default();
    let of_payment = |action: &str| format!("tillgate payments {action} {payment}");
    match &attention.note {
        PaymentNote::UnwantedMoney { .. } => vec![of_payment("accept"), of_payment("refund")],
        // It was decided about meanwhile.
        PaymentNote::PaymentNeedsReview { .. } => vec![of_payment("look")],
        PaymentNote::PaidButCancelled { .. } => vec![of_payment("refund")],
        PaymentNote::PaidOtherTotal { paid, total } if paid > total => {
            let over = Money::from_kopecks(paid.kopecks() - total.kopecks());
            vec![format!("{} --amount {over}", of_payment("refund"))]
        }
        PaymentNote::NotificationMismatch { .. }
        | PaymentNote::PaymentGivenUp { .. }
        | PaymentNote::OutsideRefundMismatch { .. }
        | PaymentNote::PaidTwice { .. } => vec![of_payment("look")],
        PaymentNote::PaymentRefused { .. } => vec![of_payment("retry")],
        PaymentNote::CaptureLess { .. } => vec![format!("tillgate orders capture {number}")],
        PaymentNote::OperationRefused { operation, operation_kind, .. } => {
            vec![after_refusal(number, *operation, *operation_kind)]
        }
        PaymentNote::OperationNeedsReview { operation, .. } => {
            ["done", "drop"].map(|act| format!("tillgate payments {act} {operation}")).into()
        }
        PaymentNote::OperationGivenUp { .. } => vec![RETRY_PAYMENTS.into()],
        // The merchant's own systems settle these, or there is nothing to do.
        PaymentNote::PaidOtherTotal { .. }
        | PaymentNote::CapturedOtherTotal { .. }
        | PaymentNote::TooManyPayments { .. }
        | PaymentNote::UpdateRefused { .. }
        | PaymentNote::UpdatedTooLate
        | PaymentNote::ShippedAfterRefund { .. }
        | PaymentNote::RefundedOutside { .. } => Vec::new(),
        // Entries of the history, which never need attention.
        PaymentNote::PaymentPlanned { .. }
        | PaymentNote::PaymentDropped { .. }
        | PaymentNote::CancelRequested { .. }
        | PaymentNote::PaymentUnknown { .. }
        | PaymentNote::PaymentNotFound { .. }
        | PaymentNote::PaymentLinked { .. }
        | PaymentNote::PaymentHeld { .. }
        | PaymentNote::PaymentFoundPaid { .. }
        | PaymentNote::PaymentPaid { .. }
        | PaymentNote::PaymentCancelled
        | PaymentNote::PaymentExpired
        | PaymentNote::EndedUnrequested
        | PaymentNote::ByOperator { .. }
        | PaymentNote::Seen { .. }
        | PaymentNote::UpdatePlanned
        | PaymentNote::Updated
        | PaymentNote::UpdateNotSupported
        | PaymentNote::OperationPlanned { .. }
        | PaymentNote::OperationUnknown { .. }
        | PaymentNote::OperationNotFound { .. }
        | PaymentNote::OperationAccepted { .. }
        | PaymentNote::OperationDone { .. }
        | PaymentNote::OperationDropped { .. } => Vec::new(),
    }
}

/// The commands for a payment under review: what to do with its money once it
/// has come, and how to find out before.
fn review_steps(payment: &Payment) -> Vec<String> {
    let actions: &[&str] = match (payment.other_amount(), payment.has_own_money_under_review()) {
        (Some(_), _) => &["accept", "refund"],
        (None, true) => &["look"],
        (None, false) => &["look", "drop"],
    };
    let of_payment = |action: &&str| format!("tillgate payments {action} {}", payment.id);
    actions.iter().map(of_payment).collect()
}

/// The command that tries a refused operation again.
fn after_refusal(number: Number, operation: OperationId, kind: OperationKind) -> String {
    match kind {
        OperationKind::Shipment => format!("tillgate payments retry {operation}"),
        OperationKind::Refund => format!("tillgate payments refund {}", operation.payment),
        OperationKind::Capture => format!("tillgate orders capture {number}"),
    }
}

/// The command that takes an order off the list.
#[must_use]
pub fn dismissal(number: Number) -> String {
    format!("tillgate orders seen {number}")
}
