//! What a merchant of Invoicebox calls.

use std::sync::{Arc, Weak};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Dialect, Error, malformed, wrong};
use super::ledger::{Entry, new_id};
use super::trouble::{Call, Trouble};
use super::{World, notifier, operations};
use crate::kernel::{Money, Timestamp, decimal, money, same_id};

/// The longest request that is read, in bytes.
pub(super) const REQUEST_BYTES_MAX: usize = 1024 * 1024;

pub fn routes() -> Router<Weak<World>> {
    Router::new()
        .route("/security/api/auth/auth", get(auth))
        .route("/billing/api/order/order", post(create))
        .route("/billing/api/order/order/{id}", get(read).put(update).delete(cancel))
        .route("/filter/api/order/order", get(list))
        .merge(operations::routes())
}

pub(super) fn data(data: Value) -> Value {
    json!({"data": data, "extendedData": []})
}

async fn auth(State(world): State<Weak<World>>, headers: HeaderMap) -> Response {
    let Some(world) = world.upgrade() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let identity =
        |user: Option<&str>| Ok(data(json!({"userId": user, "profile": null, "accessToken": null})));
    Dialect::Invoicebox.respond(match Dialect::Invoicebox.knows(&world, &headers) {
        Some(true) => identity(Some("018f0000-0000-7000-8000-00000000000a")),
        Some(false) => Err(Dialect::Invoicebox.unauthorized()),
        // Nobody is somebody too: with 200.
        None => identity(None),
    })
}

/// A request for an order, as far as it is looked at.
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
}

/// A line, as far as it is reckoned with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) sku: String,
    quantity: Box<RawValue>,
    amount: Box<RawValue>,
    amount_wo_vat: Box<RawValue>,
    total_amount: Box<RawValue>,
    total_vat_amount: Box<RawValue>,
    vat_code: String,
}

async fn create(State(world): State<Weak<World>>, headers: HeaderMap, body: Body) -> Response {
    let read = http_body_util::Limited::new(body, REQUEST_BYTES_MAX).collect().await;
    let bytes = read.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Dialect::Invoicebox
        .answer(&world, Call::Create, &headers, |world, trouble| {
            let mut entry = accept(world, &bytes)?;
            if trouble == Some(Trouble::OtherAmount) {
                entry.amount = Money::from_kopecks(entry.amount.kopecks() + 100);
            }
            let shown = shown(world, &entry);
            world.ledger().add(entry);
            Ok(data(shown))
        })
        .await
}

/// Checks a request by the payment system's own arithmetic.
fn accept(world: &World, bytes: &[u8]) -> Result<Entry, Error> {
    let request: Request = serde_json::from_slice(bytes).map_err(|why| malformed(why.to_string()))?;
    let items: Vec<Item> =
        serde_json::from_str(request.basket_items.get()).map_err(|why| malformed(why.to_string()))?;
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
    let read = |raw: &RawValue, code, field| money::from_json(raw).ok_or_else(|| wrong(code, field));
    let amount = read(&request.amount, "wrong_total_amount", "amount")?;
    let vat = read(&request.vat_amount, "wrong_total_vat_amount", "vatAmount")?;
    check_sums(&items, amount, vat)?;
    let is_known = world.ledger().entries().iter().any(|known| known.number == request.merchant_order_id);
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
        notices: Vec::new(),
        basket: request.basket_items,
        customer: request.customer,
        updates: Vec::new(),
        dialect: Dialect::Invoicebox,
        two_steps: false,
        request: String::from_utf8_lossy(bytes).into_owned(),
    })
}

/// A time that has not come yet.
fn time_ahead(date: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let time = date.parse().ok().filter(|time| *time > now);
    time.ok_or_else(|| wrong("wrong_expiration_date", "expirationDate"))
}

/// Whether an order comes to what its lines come to.
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

/// A line's total and tax in kopecks, when they are right.
pub(super) fn check_item(item: &Item) -> Result<(i64, i64), Error> {
    const MICRO: i128 = 1_000_000;
    let read = |raw: &RawValue, code, field| {
        decimal::parse(raw.get(), 6).map(i128::from).map_err(|_| wrong(code, field))
    };
    let total_code = "wrong_basket_item_total_amount";
    let quantity = read(&item.quantity, total_code, "quantity")?;
    let price = read(&item.amount, total_code, "amount")?;
    let total = read(&item.total_amount, total_code, "totalAmount")?;
    let kopecks = |micro_roubles: i128| (micro_roubles * 2 * 100 + MICRO).div_euclid(2 * MICRO);
    if quantity <= 0 || kopecks(price * quantity / MICRO) != kopecks(total) {
        return Err(wrong(total_code, "totalAmount"));
    }
    let vat_code = "wrong_basket_item_total_vat_amount";
    let vat = read(&item.total_vat_amount, vat_code, "totalVatAmount")?;
    let rate: crate::payments::VatCode =
        serde_json::from_value(json!(item.vat_code)).map_err(|_| wrong(vat_code, "vatCode"))?;
    let amount = Money::from_kopecks(i64::try_from(kopecks(total)).unwrap_or_default());
    if i128::from(rate.inside(amount).kopecks()) != kopecks(vat) {
        return Err(wrong(vat_code, "totalVatAmount"));
    }
    let net_code = "wrong_basket_item_amount_wo_vat";
    let net = read(&item.amount_wo_vat, net_code, "amountWoVat")?;
    // A kopeck's slack, as the vendor's own client allows.
    if (kopecks(net * quantity / MICRO) + kopecks(vat) - kopecks(total)).abs() > 1 {
        return Err(wrong(net_code, "amountWoVat"));
    }
    let vat = i64::try_from(kopecks(vat)).unwrap_or_default();
    Ok((amount.kopecks(), vat))
}

/// An order as it is shown, its fields in the order of the vendor's examples.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    description: &'a str,
    currency_id: &'a str,
    amount: &'a RawValue,
    vat_amount: &'a RawValue,
    basket_items: &'a RawValue,
    order_container_id: &'a str,
    merchant_id: &'a str,
    status: &'a str,
    subtype: &'a str,
    created_at: String,
    merchant_order_id: &'a str,
    merchant_order_id_visible: &'a str,
    expiration_date: String,
    file_ids: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    return_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_url: Option<&'a str>,
    payment_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a RawValue>,
    language_id: &'a str,
    processable: bool,
}

/// A sum as the vendor's software writes it: whole amounts without a dot.
pub(super) fn digits(money: Money) -> Box<RawValue> {
    let text = money.to_string();
    let text = text.strip_suffix(".00").map_or(text.clone(), str::to_owned);
    let text = if text.contains('.') { text.trim_end_matches('0').to_owned() } else { text };
    RawValue::from_string(text).unwrap_or_default()
}

/// An order in bytes, as the API shows it and as notifications bear it.
pub fn written(world: &World, entry: &Entry) -> String {
    let date = |at: Timestamp| {
        Timestamp::from_second(at.as_second()).unwrap_or(at).to_string().replace('Z', "+00:00")
    };
    let (amount, vat) = (digits(entry.amount), digits(entry.vat));
    let shown = Shown {
        id: &entry.id,
        description: &entry.description,
        currency_id: &entry.currency,
        amount: &amount,
        vat_amount: &vat,
        basket_items: &entry.basket,
        order_container_id: &entry.container,
        merchant_id: &world.setup.merchant_id,
        status: entry.status_at(world.setup.clock.now()),
        subtype: "order",
        created_at: date(entry.created_at),
        merchant_order_id: &entry.number,
        merchant_order_id_visible: &entry.number,
        expiration_date: date(entry.expires_at),
        file_ids: [],
        return_url: entry.return_url.as_deref(),
        success_url: entry.success_url.as_deref(),
        payment_url: format!("http://{}/order/{}", world.address, entry.container),
        paid_at: entry.paid_at.map(date),
        customer: entry.customer.as_deref(),
        language_id: "ru",
        processable: true,
    };
    serde_json::to_string(&shown).unwrap_or_default().replace('/', "\\/")
}

fn shown(world: &World, entry: &Entry) -> Value {
    serde_json::from_str(&written(world, entry)).unwrap_or_default()
}

pub(super) fn no_such_order() -> Error {
    Error(StatusCode::NOT_FOUND, "not_found", "Not Found".into(), None)
}

async fn read(State(world): State<Weak<World>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    Dialect::Invoicebox
        .answer(&world, Call::Other, &headers, |world, _| {
            let found = world.ledger().find(|entry| entry.id == id).cloned();
            found.map(|entry| data(shown(world, &entry))).ok_or_else(no_such_order)
        })
        .await
}

/// What is to be another, as far as it is looked at.
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
            let mut stands = {
                let mut ledger = world.ledger();
                let entry = ledger.find(|entry| entry.id == id).ok_or_else(no_such_order)?;
                if entry.status_at(now) != "created" {
                    return Err(wrong_status());
                }
                let updated = updated(entry, &bytes, now)?;
                // One that says that all is well, and does nothing.
                if trouble != Some(Trouble::Unheeded) {
                    *entry = updated;
                }
                entry.clone()
            };
            if trouble == Some(Trouble::OtherAmount) {
                stands.amount = Money::from_kopecks(stands.amount.kopecks() + 100);
            }
            Ok(data(shown(world, &stands)))
        })
        .await
}

/// An order as it is to be, if that comes out right.
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

async fn cancel(State(world): State<Weak<World>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    Dialect::Invoicebox
        .answer(&world, Call::Other, &headers, |world, _| {
            let now = world.setup.clock.now();
            let cancelled = {
                let mut ledger = world.ledger();
                let entry = ledger.find(|entry| entry.id == id).ok_or_else(no_such_order)?;
                // What is held and was not shipped is let go.
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

/// The parts of a query.
pub(super) fn pairs(query: &str) -> Vec<(&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('=')).collect()
}

/// A page of what was found: both spellings of paging.
pub(super) fn page_of(found: Vec<Value>, pairs: &[(&str, &str)]) -> Value {
    let number = |names: [&str; 2], default: usize| {
        let value = pairs.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value);
        value.and_then(|value| value.parse().ok()).unwrap_or(default).max(1)
    };
    let (page, size) = (number(["_page", "page"], 1), number(["_pageSize", "pageSize"], 30).min(100));
    let meta = json!({"totalCount": found.len(), "pageSize": size, "page": page});
    let on_page: Vec<Value> = found.into_iter().skip((page - 1) * size).take(size).collect();
    json!({"data": on_page, "extendedData": [], "metaData": meta})
}

/// `field=value` for a few fields; everything else is ignored, as over there.
async fn list(State(world): State<Weak<World>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    Dialect::Invoicebox
        .answer(&world, Call::Other, &headers, |world, trouble| {
            let now = world.setup.clock.now();
            let query = query.unwrap_or_default();
            let pairs = pairs(&query);
            let value =
                |names: &[&str]| pairs.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value);
            let mut found: Vec<Entry> = {
                let ledger = world.ledger();
                let fits = |entry: &&Entry| {
                    value(&["id"]).is_none_or(|id| entry.id == id)
                        && value(&["merchantOrderId", "merchantOrderId[_eq]"])
                            .is_none_or(|id| entry.number == id)
                        && value(&["merchantId"]).is_none_or(|id| same_id(id, &world.setup.merchant_id))
                        && value(&["status", "status[]"]).is_none_or(|status| entry.status_at(now) == status)
                };
                ledger.entries().iter().filter(fits).cloned().collect()
            };
            if trouble == Some(Trouble::OtherAmount) {
                found
                    .iter_mut()
                    .for_each(|entry| entry.amount = Money::from_kopecks(entry.amount.kopecks() + 100));
            }
            Ok(page_of(found.iter().map(|entry| shown(world, entry)).collect(), &pairs))
        })
        .await
}

/// Notifies of what has happened to an order, in the background.
pub fn announce(world: &Arc<World>, id: String) {
    tokio::spawn(notifier::deliver(Arc::downgrade(world), id));
}
