//! What a merchant of YooKassa calls: payments, captures, refunds and receipts under idempotence keys.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Answer, Dialect, Error};
use super::api::pairs;
use super::ledger::{Done, Entry, Ledger, new_id};
use super::operations::whole;
use super::trouble::{Call, Trouble};
use super::{World, api};
use crate::kernel::time::later;
use crate::kernel::{Money, Timestamp};

/// How long a payment waits for its buyer, in seconds.
const WAITS_SECONDS_MAX: u64 = 3600;

/// The longest idempotence key, in bytes.
const KEY_BYTES_MAX: usize = 64;

pub fn routes() -> Router<Weak<World>> {
    Router::new()
        .route("/me", get(me))
        .route("/payments", get(list).post(create))
        .route("/payments/{id}", get(read))
        .route("/payments/{id}/capture", post(capture))
        .route("/payments/{id}/cancel", post(cancel))
        .route("/refunds", get(refunds).post(refund))
        .route("/receipts", get(receipts).post(receipt))
}

fn invalid(why: impl Into<String>, field: &'static str) -> Error {
    Error(StatusCode::BAD_REQUEST, "invalid_request", why.into(), Some(field))
}

fn absent() -> Error {
    Error(
        StatusCode::NOT_FOUND,
        "not_found",
        "Payment doesn't exist or access denied".into(),
        Some("payment_id"),
    )
}

#[derive(Deserialize)]
struct Amount {
    value: String,
    currency: String,
}

impl Amount {
    fn sum(&self) -> Result<Money, Error> {
        let sum = self.value.parse::<Money>().ok().filter(|sum| *sum > Money::ZERO);
        let sum = sum.filter(|_| self.currency == "RUB");
        sum.ok_or_else(|| invalid("Incorrect amount", "amount"))
    }
}

/// A request for a payment, as far as it is looked at.
#[derive(Deserialize)]
struct NewPayment {
    amount: Amount,
    capture: bool,
    confirmation: Confirmation,
    description: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    receipt: Option<Receipt>,
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "type")]
    kind: String,
    return_url: String,
}

#[derive(Deserialize)]
struct Receipt {
    customer: BTreeMap<String, String>,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    description: String,
    quantity: String,
    amount: Amount,
    vat_code: u8,
    payment_mode: String,
    measure: Option<String>,
}

impl Item {
    /// Price × quantity, to the nearest kopeck.
    fn total(&self) -> Result<i64, Error> {
        let bad = || invalid("Incorrect receipt item", "receipt.items");
        let price = i128::from(self.amount.sum()?.kopecks());
        let quantity: crate::kernel::Quantity = self.quantity.parse().map_err(|_| bad())?;
        if !(1..=12).contains(&self.vat_code) || self.description.chars().count() > 128 {
            return Err(bad());
        }
        let total = (2 * price * i128::from(quantity.thousandths()) + 1000).div_euclid(2000);
        i64::try_from(total).map_err(|_| bad())
    }
}

impl Receipt {
    /// Checks it against the sum that it is for.
    fn check(&self, sum: Money) -> Result<(), Error> {
        if !self.customer.contains_key("email") && !self.customer.contains_key("phone") {
            return Err(invalid("Receipt has no customer contact", "receipt.customer"));
        }
        let totals = self.items.iter().map(Item::total);
        let total: i64 = totals.collect::<Result<Vec<_>, _>>()?.into_iter().sum();
        if total != sum.kopecks() {
            return Err(invalid("Incorrect sum of receipt items", "receipt.items"));
        }
        Ok(())
    }

    /// The lines as the payment page shows them.
    fn basket(&self) -> Box<RawValue> {
        let shown = |item: &Item| {
            let total = Money::from_kopecks(item.total().unwrap_or_default());
            let quantity = item.quantity.parse().map_or(Value::Null, Value::Number);
            let total: Value = total.to_string().parse().map_or(Value::Null, Value::Number);
            json!({"name": item.description, "quantity": quantity,
                   "measure": item.measure.as_deref().unwrap_or(""), "totalAmount": total})
        };
        let lines: Vec<Value> = self.items.iter().map(shown).collect();
        serde_json::value::to_raw_value(&lines).unwrap_or_default()
    }
}

fn no_lines() -> Box<RawValue> {
    serde_json::value::to_raw_value(&[(); 0]).unwrap_or_default()
}

/// Does `work` for a request under an idempotence key: once, and gives its first answer again.
async fn once<T: serde::de::DeserializeOwned>(
    world: &Weak<World>,
    call: Call,
    headers: &HeaderMap,
    path: &str,
    body: Body,
    work: impl FnOnce(&World, Option<Trouble>, T, &str) -> Answer,
) -> Response {
    let bytes = whole(body).await;
    Dialect::Yookassa
        .answer(world, call, headers, |world, trouble| {
            let key = headers.get("idempotence-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                return Err(invalid("Idempotence key is required", "Idempotence-Key"));
            }
            let asked = format!("{path} {}", String::from_utf8_lossy(&bytes));
            if let Some((known, answer)) = world.ledger().keys.get(key) {
                if *known != asked {
                    return Err(invalid("Idempotence key duplicated", "Idempotence-Key"));
                }
                return Ok(answer.clone());
            }
            let request: T =
                serde_json::from_slice(&bytes).map_err(|why| invalid(why.to_string(), "body"))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let answer = work(world, trouble, request, &text)?;
            world.ledger().keys.insert(key.to_owned(), (asked, answer.clone()));
            Ok(answer)
        })
        .await
}

async fn me(State(world): State<Weak<World>>, headers: HeaderMap) -> Response {
    let work = |world: &World, _| {
        Ok(json!({"account_id": world.setup.merchant_id, "status": "enabled", "test": true}))
    };
    Dialect::Yookassa.answer(&world, Call::Other, &headers, work).await
}

async fn create(State(world): State<Weak<World>>, headers: HeaderMap, body: Body) -> Response {
    let work = |world: &World, trouble, asked: NewPayment, text: &str| {
        let mut amount = asked.amount.sum()?;
        if asked.confirmation.kind != "redirect" || asked.description.chars().count() > 128 {
            return Err(invalid("Incorrect confirmation or description", "confirmation"));
        }
        if let Some(receipt) = &asked.receipt {
            receipt.check(amount)?;
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
            notices: Vec::new(),
            basket: asked.receipt.as_ref().map_or_else(no_lines, Receipt::basket),
            customer: None,
            dialect: Dialect::Yookassa,
            two_steps: !asked.capture,
            request: text.to_owned(),
            updates: Vec::new(),
        };
        let shown = shown(world, &world.ledger(), &entry);
        world.ledger().add(entry);
        Ok(shown)
    };
    once(&world, Call::Create, &headers, "payments", body, work).await
}

/// What was taken of a payment.
fn taken(ledger: &Ledger, entry: &Entry) -> Money {
    let capture = ledger.done().iter().find(|done| done.order == entry.id && done.kind == "capture");
    capture.map_or(entry.amount, |capture| capture.amount)
}

fn amount_of(sum: Money) -> Value {
    json!({"value": sum.to_string(), "currency": "RUB"})
}

fn shown(world: &World, ledger: &Ledger, entry: &Entry) -> Value {
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

/// A notification of how a payment stands.
pub fn notice(world: &World, entry: &Entry) -> String {
    let object = shown(world, &world.ledger(), entry);
    let event = format!("payment.{}", object["status"].as_str().unwrap_or_default());
    json!({"type": "notification", "event": event, "object": object}).to_string()
}

/// A notification of a refund: there is one when it succeeds, and none when it does not.
pub fn refund_notice(refund: &Done) -> String {
    json!({"type": "notification", "event": "refund.succeeded", "object": refund_of(refund)}).to_string()
}

async fn read(State(world): State<Weak<World>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
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

async fn capture(
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
        let done = Done { captures: true, ..done("capture", &entry.id, &entry.number, sum, basket, now) };
        ledger.add_done(done);
        Ok(shown(world, &ledger, &entry))
    };
    once(&world, Call::Operate, &headers, &format!("capture {id}"), body, work).await
}

async fn cancel(
    State(world): State<Weak<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = |world: &World, _, _: Value, _: &str| {
        let now = world.setup.clock.now();
        let mut ledger = world.ledger();
        let entry = ledger.find(|entry| entry.id == id).ok_or_else(absent)?;
        // Only money that is held can be let go; one that waits for its buyer dies by itself.
        if entry.status_at(now) != "hold" {
            return Err(invalid("Incorrect payment status", "payment_id"));
        }
        entry.status = "canceled".into();
        let entry = entry.clone();
        Ok(shown(world, &ledger, &entry))
    };
    once(&world, Call::Other, &headers, &format!("cancel {id}"), body, work).await
}

fn done(
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
struct NewRefund {
    payment_id: String,
    amount: Amount,
    #[serde(default)]
    description: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    receipt: Option<Receipt>,
}

fn refund_of(done: &Done) -> Value {
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

async fn refund(State(world): State<Weak<World>>, headers: HeaderMap, body: Body) -> Response {
    let strong = world.upgrade();
    let work = |world: &World, trouble, asked: NewRefund, _: &str| {
        let now = world.setup.clock.now();
        let sum = asked.amount.sum()?;
        if let Some(receipt) = &asked.receipt {
            receipt.check(sum)?;
        }
        let mut ledger = world.ledger();
        let entry = ledger.find(|entry| entry.id == asked.payment_id).cloned().ok_or_else(absent)?;
        let counts =
            |done: &&Done| done.order == entry.id && done.kind == "refund" && done.status != "canceled";
        let refunded: i64 = ledger.done().iter().filter(counts).map(|done| done.amount.kopecks()).sum();
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
            api::announce(world, done.id.clone());
        }
        Ok(refund_of(&done))
    };
    once(&world, Call::Operate, &headers, "refunds", body, work).await
}

#[derive(Deserialize)]
struct NewReceipt {
    payment_id: String,
    settlements: Vec<Settlement>,
    #[serde(flatten)]
    receipt: Receipt,
}

#[derive(Deserialize)]
struct Settlement {
    amount: Amount,
}

fn receipt_of(done: &Done) -> Value {
    json!({
        "id": done.id, "type": "payment", "payment_id": done.order, "status": "pending",
        "items": [{"payment_mode": "full_payment"}],
        "settlements": [{"type": "prepayment", "amount": amount_of(done.amount)}],
    })
}

async fn receipt(State(world): State<Weak<World>>, headers: HeaderMap, body: Body) -> Response {
    let work = |world: &World, _, asked: NewReceipt, _: &str| {
        let settled =
            asked.settlements.first().ok_or_else(|| invalid("Nothing is settled", "settlements"))?;
        let sum = settled.amount.sum()?;
        asked.receipt.check(sum)?;
        if asked.receipt.items.iter().any(|item| item.payment_mode != "full_payment") {
            return Err(invalid("Incorrect payment mode", "items"));
        }
        let now = world.setup.clock.now();
        let mut ledger = world.ledger();
        let entry = ledger.find(|entry| entry.id == asked.payment_id).cloned().ok_or_else(absent)?;
        if entry.status_at(now) != "completed" {
            return Err(invalid("Incorrect payment status", "payment_id"));
        }
        let done = done("receipt", &entry.id, &entry.number, sum, asked.receipt.basket(), now);
        ledger.add_done(done.clone());
        Ok(receipt_of(&done))
    };
    once(&world, Call::Operate, &headers, "receipts", body, work).await
}

/// A page of what was found, and where the next begins.
fn page(found: Vec<Value>, pairs: &[(&str, &str)]) -> Value {
    let asked = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let limit = asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10_usize).clamp(1, 100);
    let start = asked("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0_usize);
    let more = found.len() > start.saturating_add(limit);
    let items: Vec<Value> = found.into_iter().skip(start).take(limit).collect();
    let mut page = json!({"type": "list", "items": items});
    if more {
        page["next_cursor"] = json!((start + limit).to_string());
    }
    page
}

async fn list(State(world): State<Weak<World>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let work = |world: &World, _| {
        let query = query.unwrap_or_default();
        let pairs = pairs(&query);
        let since = pairs.iter().find(|(name, _)| *name == "created_at.gte");
        let since: Option<Timestamp> = since
            .map(|(_, at)| at.parse())
            .transpose()
            .map_err(|_| invalid("Incorrect time", "created_at.gte"))?;
        let ledger = world.ledger();
        let own = ledger.entries().iter().filter(|entry| entry.dialect == Dialect::Yookassa);
        // The latest first, as over there.
        let found = own.rev().filter(|entry| since.is_none_or(|since| entry.created_at >= since));
        Ok(page(found.map(|entry| shown(world, &ledger, entry)).collect(), &pairs))
    };
    Dialect::Yookassa.answer(&world, Call::Other, &headers, work).await
}

async fn refunds(State(world): State<Weak<World>>, query: RawQuery, headers: HeaderMap) -> Response {
    list_done(&world, query, &headers, "refund", refund_of).await
}

async fn receipts(State(world): State<Weak<World>>, query: RawQuery, headers: HeaderMap) -> Response {
    list_done(&world, query, &headers, "receipt", receipt_of).await
}

async fn list_done(
    world: &Weak<World>,
    RawQuery(query): RawQuery,
    headers: &HeaderMap,
    kind: &'static str,
    show: fn(&Done) -> Value,
) -> Response {
    let work = |world: &World, _| {
        let query = query.unwrap_or_default();
        let pairs = pairs(&query);
        let payment = pairs.iter().find(|(name, _)| *name == "payment_id").map(|(_, id)| *id);
        let ledger = world.ledger();
        let fits = |done: &&Done| done.kind == kind && payment.is_none_or(|id| done.order == id);
        Ok(page(ledger.done().iter().filter(fits).map(show).collect(), &pairs))
    };
    Dialect::Yookassa.answer(world, Call::Other, headers, work).await
}
