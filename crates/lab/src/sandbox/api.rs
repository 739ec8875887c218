//! The Invoicebox API for orders.

use std::sync::Weak;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::World;
use super::answer::{Error, malformed, wrong};
use super::form::{
    Item, REQUEST_BYTES_MAX, check_item, data, no_such_order, page_of, pairs, shown,
};
use super::ids::new_id;
use super::ledger::Dialect;
use super::ledger::{Entry, METHODS};
use super::trouble::{Call, Trouble};
use tillgate_kernel::{Money, Timestamp, money, same_id};

pub fn routes() -> Router<Weak<World>> {
    Router::new()
        .route("/security/api/auth/auth", get(auth))
        .route("/billing/api/order/order", post(create))
        .route("/billing/api/order/order/{id}", get(read).put(update).delete(cancel))
        .route("/filter/api/order/order", get(list))
}

async fn auth(State(world): State<Weak<World>>, headers: HeaderMap) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let identity = |user: Option<&str>| {
        Ok(data(json!({"userId": user, "profile": null, "accessToken": null})))
    };
    Dialect::Invoicebox.respond(match Dialect::Invoicebox.knows(&world, &headers) {
        Some(true) => identity(Some("018f0000-0000-7000-8000-00000000000a")),
        Some(false) => Err(Dialect::Invoicebox.unauthorized()),
        // A request without credentials is answered with 200, and without a
        // user.
        None => identity(None),
    })
}

/// The fields of an order request that the sandbox checks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    merchant_id: String,
    merchant_order_id: String,
    description: String,
    amount: Box<RawValue>,
    vat_amount: Box<RawValue>,
    currency_id: String,
    language_id: Option<String>,
    expiration_date: String,
    basket_items: Box<RawValue>,
    customer: Option<Box<RawValue>>,
    notification_url: Option<String>,
    success_url: Option<String>,
    fail_url: Option<String>,
    return_url: Option<String>,
    payment_method_id: Option<u32>,
}

async fn create(State(world): State<Weak<World>>, headers: HeaderMap, body: Body) -> Response {
    let read = http_body_util::Limited::new(body, REQUEST_BYTES_MAX).collect().await;
    let bytes = read.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Dialect::Invoicebox
        .answer(&world, Call::Create, &headers, |world, trouble| {
            let mut entry = accept(world, &bytes)?;
            show_other_amount(&mut entry, trouble);
            let shown = shown(world, &entry);
            world.ledger().add(entry);
            Ok(data(shown))
        })
        .await
}

/// Checks a request with the payment system's own arithmetic.
fn accept(world: &World, bytes: &[u8]) -> Result<Entry, Error> {
    let request: Request =
        serde_json::from_slice(bytes).map_err(|why| malformed(why.to_string()))?;
    let items: Vec<Item> = serde_json::from_str(request.basket_items.get())
        .map_err(|why| malformed(why.to_string()))?;
    if !same_id(&request.merchant_id, &world.setup.merchant_id) {
        return Err(Error(StatusCode::FORBIDDEN, "forbidden", "Forbidden".into(), None));
    }
    let now = world.setup.clock.now();
    let expires_at = time_ahead(&request.expiration_date, now)?;
    if !["RUB", "USD", "EUR", "GBP"].contains(&request.currency_id.as_str()) {
        return Err(wrong("wrong_currency", "currencyId"));
    }
    if !["ru", "en"].contains(&request.language_id.as_deref().unwrap_or("ru")) {
        return Err(wrong("language_not_found", "languageId"));
    }
    if items.is_empty() || request.description.is_empty() || request.merchant_order_id.is_empty() {
        return Err(malformed("a mandatory field is empty".into()));
    }
    let read =
        |raw: &RawValue, code, field| money::from_json(raw).ok_or_else(|| wrong(code, field));
    let amount = read(&request.amount, "wrong_total_amount", "amount")?;
    let vat = read(&request.vat_amount, "wrong_total_vat_amount", "vatAmount")?;
    check_sums(&items, amount, vat)?;
    let named = |id: u32| METHODS.iter().find(|(known, _)| *known == id);
    let method = match request.payment_method_id.map(named) {
        None => None,
        Some(Some((_, name))) => Some((*name).to_owned()),
        Some(None) => return Err(wrong("payment_method_not_found", "paymentMethodId")),
    };
    let is_known =
        world.ledger().entries().iter().any(|known| known.number == request.merchant_order_id);
    if is_known && world.setup.unique_numbers {
        let message = "Merchant order id is not unique".to_owned();
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Error(status, "merchant_order_id_duplicate", message, Some("merchantOrderId")));
    }
    Ok(Entry {
        id: new_id(now),
        container: new_id(now),
        number: request.merchant_order_id,
        description: request.description,
        amount,
        vat,
        currency: request.currency_id,
        status: "created".into(),
        created_at: now,
        expires_at,
        paid_at: None,
        declined: 0,
        success_url: request.success_url,
        fail_url: request.fail_url,
        return_url: request.return_url,
        notification_url: request.notification_url,
        notifications: Vec::new(),
        basket: request.basket_items,
        customer: request.customer,
        updates: Vec::new(),
        dialect: Dialect::Invoicebox,
        manual_capture: false,
        method,
        request: String::from_utf8_lossy(bytes).into_owned(),
    })
}

/// Parses a time that must be in the future.
fn time_ahead(date: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let time = date.parse().ok().filter(|time| *time > now);
    time.ok_or_else(|| wrong("wrong_expiration_date", "expirationDate"))
}

/// Checks that the amount and the tax are the sums of the lines.
fn check_sums(items: &[Item], amount: Money, vat: Money) -> Result<(), Error> {
    let (mut sum, mut vat_sum) = (0, 0);
    for item in items {
        let (total, vat) = check_item(item)?;
        sum += total;
        vat_sum += vat;
    }
    if amount.kopecks() != sum {
        return Err(wrong("wrong_total_amount", "amount"));
    }
    if vat.kopecks() != vat_sum {
        return Err(wrong("wrong_total_vat_amount", "vatAmount"));
    }
    Ok(())
}

async fn read(
    State(world): State<Weak<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    Dialect::Invoicebox
        .answer(&world, Call::Other, &headers, |world, trouble| {
            let found = world.ledger().find(|entry| entry.id == id).cloned();
            let mut entry = found.ok_or_else(no_such_order)?;
            show_other_amount(&mut entry, trouble);
            Ok(data(shown(world, &entry)))
        })
        .await
}

/// The fields of a change request that the sandbox checks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    description: Option<String>,
    amount: Option<Box<RawValue>>,
    vat_amount: Option<Box<RawValue>>,
    expiration_date: Option<String>,
    basket_items: Option<Box<RawValue>>,
    customer: Option<Box<RawValue>>,
}

async fn update(
    State(world): State<Weak<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let read = http_body_util::Limited::new(body, REQUEST_BYTES_MAX).collect().await;
    let bytes = read.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Dialect::Invoicebox
        .answer(&world, Call::Update, &headers, |world, trouble| {
            let now = world.setup.clock.now();
            let mut shown_entry = {
                let mut ledger = world.ledger();
                let entry = ledger.find(|entry| entry.id == id).ok_or_else(no_such_order)?;
                if entry.status_at(now) != "created" {
                    return Err(wrong_status());
                }
                let updated = updated(entry, &bytes, now)?;
                // The trouble `unheeded` answers that all is well, and changes
                // nothing.
                if trouble != Some(Trouble::Unheeded) {
                    *entry = updated;
                }
                entry.clone()
            };
            show_other_amount(&mut shown_entry, trouble);
            Ok(data(shown(world, &shown_entry)))
        })
        .await
}

/// The order after a change, if the sums are right.
fn updated(entry: &Entry, bytes: &[u8], now: Timestamp) -> Result<Entry, Error> {
    let update: Update = serde_json::from_slice(bytes).map_err(|why| malformed(why.to_string()))?;
    let mut entry = entry.clone();
    let sum = |raw: &RawValue, code, field| money::from_json(raw).ok_or_else(|| wrong(code, field));
    if let Some(amount) = &update.amount {
        entry.amount = sum(amount, "wrong_total_amount", "amount")?;
    }
    if let Some(vat) = &update.vat_amount {
        entry.vat = sum(vat, "wrong_total_vat_amount", "vatAmount")?;
    }
    if let Some(date) = &update.expiration_date {
        entry.expires_at = time_ahead(date, now)?;
    }
    entry.description = update.description.unwrap_or(entry.description);
    entry.basket = update.basket_items.unwrap_or(entry.basket);
    entry.customer = update.customer.or(entry.customer);
    let items: Vec<Item> =
        serde_json::from_str(entry.basket.get()).map_err(|why| malformed(why.to_string()))?;
    if items.is_empty() || entry.description.is_empty() {
        return Err(malformed("a mandatory field is empty".into()));
    }
    check_sums(&items, entry.amount, entry.vat)?;
    entry.updates.push(String::from_utf8_lossy(bytes).into_owned());
    Ok(entry)
}

fn wrong_status() -> Error {
    Error(StatusCode::UNPROCESSABLE_ENTITY, "wrong_order_status", "Wrong order status".into(), None)
}

async fn cancel(
    State(world): State<Weak<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    Dialect::Invoicebox
        .answer(&world, Call::Other, &headers, |world, _| {
            let now = world.setup.clock.now();
            let cancelled = {
                let mut ledger = world.ledger();
                let entry = ledger.find(|entry| entry.id == id).ok_or_else(no_such_order)?;
                // Held money that was not shipped is released.
                if !["created", "hold"].contains(&entry.status_at(now)) {
                    return Err(wrong_status());
                }
                entry.status = "canceled".into();
                entry.clone()
            };
            Ok(data(shown(world, &cancelled)))
        })
        .await
}

/// Adds a rouble to the amount under the trouble `other-amount`.
fn show_other_amount(entry: &mut Entry, trouble: Option<Trouble>) {
    if trouble == Some(Trouble::OtherAmount) {
        entry.amount = Money::from_kopecks(entry.amount.kopecks() + 100);
    }
}

/// Filters by `field=value` for a few fields. Everything else is ignored, as at
/// Invoicebox.
async fn list(
    State(world): State<Weak<World>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    Dialect::Invoicebox
        .answer(&world, Call::Other, &headers, |world, trouble| {
            let now = world.setup.clock.now();
            let query = query.unwrap_or_default();
            let pairs = pairs(&query);
            let value = |names: &[&str]| {
                pairs.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value)
            };
            let mut found: Vec<Entry> = {
                let ledger = world.ledger();
                let fits = |entry: &&Entry| {
                    value(&["id"]).is_none_or(|id| entry.id == id)
                        && value(&["merchantOrderId", "merchantOrderId[_eq]"])
                            .is_none_or(|id| entry.number == id)
                        && value(&["merchantId"])
                            .is_none_or(|id| same_id(id, &world.setup.merchant_id))
                        && value(&["status", "status[]"])
                            .is_none_or(|status| entry.status_at(now) == status)
                };
                ledger.entries().iter().filter(fits).cloned().collect()
            };
            found.iter_mut().for_each(|entry| show_other_amount(entry, trouble));
            Ok(page_of(found.iter().map(|entry| shown(world, entry)).collect(), &pairs))
        })
        .await
}
