//! Payments: creating, reading, capturing, cancelling.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use crate::sandbox::World;
use crate::sandbox::ids::new_id;
use crate::sandbox::ledger::Dialect;
use crate::sandbox::ledger::{Done, Entry, METHODS};
use crate::sandbox::trouble::{Call, Trouble};
use tillgate_kernel::Money;
use tillgate_kernel::time::later;

use super::document::shown;
use super::money::done;
use super::receipt_form::{Receipt, no_lines};
use super::{Amount, absent, invalid, once};

/// How long a payment waits for its buyer, in seconds.
const WAITS_SECONDS_MAX: u64 = 3600;

/// The fields of a payment request that the sandbox checks.
#[derive(Deserialize)]
struct NewPayment {
    amount: Amount,
    capture: bool,
    confirmation: Confirmation,
    description: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    receipt: Option<Receipt>,
    payment_method_data: Option<Method>,
}

#[derive(Deserialize)]
struct Method {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "type")]
    kind: String,
    return_url: String,
}

pub(super) async fn create(
    State(world): State<Weak<World>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = |world: &World, trouble, asked: NewPayment, text: &str| {
        let mut amount = asked.amount.sum()?;
        if asked.confirmation.kind != "redirect" || asked.description.chars().count() > 128 {
            return Err(invalid("Incorrect confirmation or description", "confirmation"));
        }
        if let Some(receipt) = &asked.receipt {
            receipt.check(amount)?;
        }
        if let Some(Method { kind }) = &asked.payment_method_data {
            let is_known = METHODS.iter().any(|(_, name)| name == kind);
            if !is_known || (kind == "sbp" && !asked.capture) {
                return Err(invalid("Incorrect payment method", "payment_method_data"));
            }
        }
        if trouble == Some(Trouble::OtherAmount) {
            amount = Money::from_kopecks(amount.kopecks() + 100);
        }
        let now = world.setup.clock.now();
        let entry = Entry {
            id: new_id(now),
            container: new_id(now),
            number: asked.metadata.get("tillgate_number").cloned().unwrap_or_default(),
            description: asked.description,
            amount,
            vat: Money::ZERO,
            currency: asked.amount.currency,
            status: "created".into(),
            created_at: now,
            expires_at: later(now, Duration::from_secs(WAITS_SECONDS_MAX)),
            paid_at: None,
            declined: 0,
            success_url: Some(asked.confirmation.return_url.clone()),
            fail_url: Some(asked.confirmation.return_url.clone()),
            return_url: Some(asked.confirmation.return_url),
            notification_url: None,
            notifications: Vec::new(),
            basket: asked.receipt.as_ref().map_or_else(no_lines, Receipt::basket),
            customer: None,
            dialect: Dialect::Yookassa,
            manual_capture: !asked.capture,
            method: asked.payment_method_data.map(|method| method.kind),
            request: text.to_owned(),
            updates: Vec::new(),
        };
        let shown = shown(world, &world.ledger(), &entry);
        world.ledger().add(entry);
        Ok(shown)
    };
    once(&world, Call::Create, &headers, "payments", body, work).await
}

pub(super) async fn read(
    State(world): State<Weak<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let work = |world: &World, _| {
        let found = world.ledger().find(|entry| entry.id == id).cloned().ok_or_else(absent)?;
        Ok(shown(world, &world.ledger(), &found))
    };
    Dialect::Yookassa.answer(&world, Call::Other, &headers, work).await
}

#[derive(Deserialize)]
struct NewCapture {
    amount: Option<Amount>,
    receipt: Option<Receipt>,
}

pub(super) async fn capture(
    State(world): State<Weak<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = |world: &World, _, asked: NewCapture, _: &str| {
        let now = world.setup.clock.now();
        let mut ledger = world.ledger();
        let entry = ledger.find(|entry| entry.id == id).ok_or_else(absent)?;
        let sum = asked.amount.map_or(Ok(entry.amount), |amount| amount.sum())?;
        if entry.status_at(now) != "hold" || sum > entry.amount {
            return Err(invalid("Incorrect payment status or amount", "payment_id"));
        }
        if let Some(receipt) = &asked.receipt {
            receipt.check(sum)?;
        }
        (entry.status, entry.paid_at) = ("completed".into(), Some(now));
        let entry = entry.clone();
        let basket = asked.receipt.as_ref().map_or_else(no_lines, Receipt::basket);
        let done =
            Done { captures: true, ..done("capture", &entry.id, &entry.number, sum, basket, now) };
        ledger.add_done(done);
        Ok(shown(world, &ledger, &entry))
    };
    once(&world, Call::Operate, &headers, &format!("capture {id}"), body, work).await
}

pub(super) async fn cancel(
    State(world): State<Weak<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = |world: &World, _, _: Value, _: &str| {
        let now = world.setup.clock.now();
        let mut ledger = world.ledger();
        let entry = ledger.find(|entry| entry.id == id).ok_or_else(absent)?;
        // Only held money can be released. A payment that waits for its buyer
        // expires by itself.
        if entry.status_at(now) != "hold" {
            return Err(invalid("Incorrect payment status", "payment_id"));
        }
        entry.status = "canceled".into();
        let entry = entry.clone();
        Ok(shown(world, &ledger, &entry))
    };
    once(&world, Call::Other, &headers, &format!("cancel {id}"), body, work).await
}
