//! Payments and refunds as the API shows them, and notifications of them.

use crate::sandbox::World;
use crate::sandbox::ledger::{Done, Entry, Ledger};
use serde_json::{Value, json};
use tillgate_kernel::Money;

/// The amount that was captured of a payment.
pub(super) fn taken(ledger: &Ledger, entry: &Entry) -> Money {
    let capture =
        ledger.done().iter().find(|done| done.order == entry.id && done.kind == "capture");
    capture.map_or(entry.amount, |capture| capture.amount)
}

pub(super) fn amount_of(sum: Money) -> Value {
    json!({"value": sum.to_string(), "currency": "RUB"})
}

pub(super) fn shown(world: &World, ledger: &Ledger, entry: &Entry) -> Value {
    let status = entry.status_at(world.setup.clock.now());
    let named = match status {
        "created" => "pending",
        "hold" => "waiting_for_capture",
        "completed" => "succeeded",
        _ => "canceled",
    };
    let is_paid = ["hold", "completed"].contains(&status);
    let mut shown = json!({
        "id": entry.id, "status": named, "amount": amount_of(taken(ledger, entry)),
        "description": entry.description,
        "recipient": {"account_id": world.setup.merchant_id, "gateway_id": "1"},
        "created_at": entry.created_at, "test": true, "paid": is_paid,
        "refundable": status == "completed", "metadata": {"tillgate_number": entry.number},
    });
    if status == "created" {
        let url = format!("http://{}/order/{}", world.address, entry.container);
        shown["confirmation"] = json!({"type": "redirect", "confirmation_url": url});
    }
    if named == "canceled" {
        let (party, reason) = match status {
            "expired" => ("yoo_money", "expired_on_confirmation"),
            _ => ("merchant", "canceled_by_merchant"),
        };
        shown["cancellation_details"] = json!({"party": party, "reason": reason});
    }
    shown
}

/// A notification of the status of a payment.
pub fn notification(world: &World, entry: &Entry) -> String {
    let object = shown(world, &world.ledger(), entry);
    let event = format!("payment.{}", object["status"].as_str().unwrap_or_default());
    json!({"type": "notification", "event": event, "object": object}).to_string()
}

/// A notification of a successful refund. YooKassa sends none of a refund that
/// fails.
pub fn refund_notification(refund: &Done) -> String {
    json!({"type": "notification", "event": "refund.succeeded", "object": refund_of(refund)})
        .to_string()
}

pub(super) fn refund_of(done: &Done) -> Value {
    let status = match done.status.as_str() {
        "completed" => "succeeded",
        "canceled" => "canceled",
        _ => "pending",
    };
    let mut shown = json!({
        "id": done.id, "payment_id": done.order, "status": status, "amount": amount_of(done.amount),
        "description": done.description, "created_at": done.created_at,
    });
    if !done.number.is_empty() {
        shown["metadata"] = json!({"tillgate_number": done.number});
    }
    shown
}
