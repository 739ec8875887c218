//! Refunds, and separate receipts.

use std::collections::BTreeMap;
use std::sync::Weak;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::sandbox::ids::new_id;
use crate::sandbox::ledger::Done;
use crate::sandbox::trouble::{Call, Trouble};
use crate::sandbox::{World, notifier};
use tillgate_kernel::{Money, Timestamp};

use super::document::{amount_of, refund_of, taken};
use super::receipt_form::{Receipt, no_lines};
use super::{Amount, absent, invalid, once};

pub(super) fn done(
    kind: &'static str,
    order: &str,
    number: &str,
    amount: Money,
    basket: Box<RawValue>,
    now: Timestamp,
) -> Done {
    Done {
        id: new_id(now),
        kind,
        order: order.to_owned(),
        number: number.to_owned(),
        description: String::new(),
        amount,
        vat: Money::ZERO,
        status: "completed".into(),
        created_at: now,
        captures: false,
        basket,
    }
}

#[derive(Deserialize)]
pub(super) struct NewRefund {
    payment_id: String,
    amount: Amount,
    #[serde(default)]
    description: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    receipt: Option<Receipt>,
}

pub(super) async fn refund(
    State(world): State<Weak<World>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let strong = world.upgrade();
    let work = |world: &World, trouble, asked: NewRefund, _: &str| {
        let now = world.setup.clock.now();
        let sum = asked.amount.sum()?;
        if let Some(receipt) = &asked.receipt {
            receipt.check(sum)?;
        }
        let mut ledger = world.ledger();
        let entry =
            ledger.find(|entry| entry.id == asked.payment_id).cloned().ok_or_else(absent)?;
        let counts = |done: &&Done| {
            done.order == entry.id && done.kind == "refund" && done.status != "canceled"
        };
        let refunded: i64 =
            ledger.done().iter().filter(counts).map(|done| done.amount.kopecks()).sum();
        let left = taken(&ledger, &entry).kopecks() - refunded;
        if entry.status_at(now) != "completed" || sum.kopecks() > left {
            return Err(invalid("Refund amount exceeds what is left", "amount"));
        }
        let number = asked.metadata.get("tillgate_number").cloned().unwrap_or_default();
        let basket = asked.receipt.as_ref().map_or_else(no_lines, Receipt::basket);
        let mut done = done("refund", &entry.id, &number, sum, basket, now);
        done.description = asked.description;
        if trouble == Some(Trouble::Pending) {
            done.status = "created".into();
        }
        ledger.add_done(done.clone());
        if done.status == "completed"
            && let Some(world) = strong.as_ref()
        {
            notifier::announce(world, done.id.clone());
        }
        Ok(refund_of(&done))
    };
    once(&world, Call::Operate, &headers, "refunds", body, work).await
}

#[derive(Deserialize)]
pub(super) struct NewReceipt {
    payment_id: String,
    settlements: Vec<Settlement>,
    #[serde(flatten)]
    receipt: Receipt,
}

#[derive(Deserialize)]
pub(super) struct Settlement {
    amount: Amount,
}

pub(super) fn receipt_of(done: &Done) -> Value {
    json!({
        "id": done.id, "type": "payment", "payment_id": done.order, "status": "pending",
        "items": [{"payment_mode": "full_payment"}],
        "settlements": [{"type": "prepayment", "amount": amount_of(done.amount)}],
    })
}

pub(super) async fn receipt(
    State(world): State<Weak<World>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = |world: &World, _, asked: NewReceipt, _: &str| {
        let settled = asked
            .settlements
            .first()
            .ok_or_else(|| invalid("Nothing is settled", "settlements"))?;
        let sum = settled.amount.sum()?;
        asked.receipt.check(sum)?;
        if asked.receipt.items.iter().any(|item| item.payment_mode != "full_payment") {
            return Err(invalid("Incorrect payment mode", "items"));
        }
        let now = world.setup.clock.now();
        let mut ledger = world.ledger();
        let entry =
            ledger.find(|entry| entry.id == asked.payment_id).cloned().ok_or_else(absent)?;
        if entry.status_at(now) != "completed" {
            return Err(invalid("Incorrect payment status", "payment_id"));
        }
        let done = done("receipt", &entry.id, &entry.number, sum, asked.receipt.basket(), now);
        ledger.add_done(done.clone());
        Ok(receipt_of(&done))
    };
    once(&world, Call::Operate, &headers, "receipts", body, work).await
}
