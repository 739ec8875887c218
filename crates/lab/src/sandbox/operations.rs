//! Refunds and shipments in the Invoicebox API.

use std::sync::Weak;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, Error, malformed, wrong};
use super::form::{
    Item, REQUEST_BYTES_MAX, check_item, data, digits, no_such_order, page_of, pairs,
};
use super::ids::new_id;
use super::ledger::Dialect;
use super::ledger::{Done, Ledger};
use super::trouble::{Call, Trouble};
use tillgate_kernel::{Money, money};

pub fn routes() -> Router<Weak<World>> {
    Router::new()
        .route("/billing/api/order/refund-order", post(refund))
        .route("/filter/api/order/refund-order", get(refunds))
        .route("/billing/api/order/order/{id}/refund-basket-item", get(refundable))
        .route("/billing/api/order/shipment", get(shipments).post(ship))
        .route("/filter/api/order/shipment", get(shipments))
}

/// The fields of a refund request that the sandbox checks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundRequest {
    parent_id: String,
    merchant_order_id: String,
    amount: Box<RawValue>,
    vat_amount: Box<RawValue>,
    description: String,
    basket_items: Box<RawValue>,
}

/// The fields of a shipment request that the sandbox checks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShipmentRequest {
    order_id: String,
    /// Absent in the documentation's own example.
    #[serde(default)]
    document_number: String,
    basket_items: Box<RawValue>,
}

pub(super) async fn whole(body: Body) -> bytes::Bytes {
    let read = http_body_util::Limited::new(body, REQUEST_BYTES_MAX).collect().await;
    read.map(http_body_util::Collected::to_bytes).unwrap_or_default()
}

/// The totals of lines in kopecks by article, their sum, and their tax.
struct LineTotals {
    lines: Vec<(String, i64)>,
    sum: i64,
    vat: i64,
}

fn total_up(basket: &RawValue) -> Result<LineTotals, Error> {
    let items: Vec<Item> =
        serde_json::from_str(basket.get()).map_err(|why| malformed(why.to_string()))?;
    if items.is_empty() {
        return Err(malformed("basketItems is empty".into()));
    }
    let mut totals = LineTotals { lines: Vec::new(), sum: 0, vat: 0 };
    for item in &items {
        let (total, vat) = check_item(item)?;
        totals.lines.push((item.sku.clone(), total));
        totals.sum += total;
        totals.vat += vat;
    }
    Ok(totals)
}

/// What is left of each article of an order after the operations of a kind, in
/// kopecks.
fn left(
    ledger: &Ledger,
    order: &str,
    basket: &RawValue,
    kind: &str,
) -> Result<Vec<(String, i64)>, Error> {
    let capture = ledger.done().iter().find(|done| done.order == order && done.captures);
    let LineTotals { mut lines, .. } = total_up(capture.map_or(basket, |capture| &capture.basket))?;
    let done = ledger.done().iter();
    // A refund made in the cabinet has no lines.
    let counts = |done: &&Done| {
        done.order == order
            && done.kind == kind
            && done.status != "canceled"
            && done.basket.get() != "[]"
    };
    for done in done.filter(counts) {
        for (sku, amount) in total_up(&done.basket)?.lines {
            for line in lines.iter_mut().filter(|line| line.0 == sku) {
                line.1 -= amount;
            }
        }
    }
    Ok(lines)
}

fn refund_of(done: &Done, world: &World) -> Value {
    json!({
        "id": done.id, "parentId": done.order, "description": done.description,
        "merchantOrderId": done.number, "merchantId": world.setup.merchant_id,
        "amount": digits(done.amount), "vatAmount": digits(done.vat), "currencyId": "RUB",
        "basketItems": done.basket, "createdAt": done.created_at.to_string(), "status": done.status,
    })
}

fn shipment_of(done: &Done, world: &World) -> Value {
    json!({
        "id": done.id.parse::<u64>().unwrap_or_default(), "orderId": done.order,
        "documentNumber": done.number, "merchantId": world.setup.merchant_id,
        "amount": digits(done.amount), "basketItems": done.basket, "status": done.status,
    })
}

/// Records an operation on a paid order, if its sums are right and no line
/// exceeds what is left.
fn take_in(
    world: &World,
    mut done: Done,
    stated: Option<(&RawValue, &RawValue)>,
) -> Result<Done, Error> {
    let LineTotals { lines, sum, vat } = total_up(&done.basket)?;
    if let Some((amount, vat_amount)) = stated {
        if money::from_json(amount).map(Money::kopecks) != Some(sum) {
            return Err(wrong("wrong_total_amount", "amount"));
        }
        if money::from_json(vat_amount).map(Money::kopecks) != Some(vat) {
            return Err(wrong("wrong_total_vat_amount", "vatAmount"));
        }
    }
    let now = world.setup.clock.now();
    let mut ledger = world.ledger();
    let order = ledger.find(|entry| entry.id == done.order).cloned().ok_or_else(no_such_order)?;
    let is_held = order.status_at(now) == "hold";
    if !(order.status_at(now) == "completed" || (is_held && done.kind == "shipment")) {
        return Err(wrong("wrong_order_status", "parentId"));
    }
    if done.kind == "refund"
        && ledger.done().iter().any(|known| known.kind == "refund" && known.number == done.number)
    {
        let message = "Merchant order id is not unique".to_owned();
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Error(status, "merchant_order_id_duplicate", message, Some("merchantOrderId")));
    }
    let left = left(&ledger, &order.id, &order.basket, done.kind)?;
    // An order of another amount than its basket has this much more, on
    // whichever lines.
    let surplus = (order.amount.kopecks() - total_up(&order.basket)?.sum).max(0);
    let whole_left: i64 = left.iter().map(|(_, left)| left).sum();
    for (sku, amount) in lines {
        let of_line = left.iter().find(|(known, _)| *known == sku);
        if of_line.is_none_or(|(_, left)| left + surplus < amount) || whole_left + surplus < sum {
            return Err(wrong("wrong_total_amount", "basketItems"));
        }
    }
    (done.amount, done.vat, done.created_at) =
        (Money::from_kopecks(sum), Money::from_kopecks(vat), now);
    if is_held && let Some(order) = ledger.find(|entry| entry.id == done.order) {
        // Shipping captures the money.
        (order.status, order.paid_at) = ("completed".into(), Some(now));
        done.captures = true;
    }
    if done.kind == "shipment" {
        done.id = (ledger.done().len() + 1).to_string();
    }
    ledger.add_done(done.clone());
    Ok(done)
}

pub(super) fn new_done(
    world: &World,
    kind: &'static str,
    order: String,
    number: String,
    basket: Box<RawValue>,
) -> Done {
    let now = world.setup.clock.now();
    Done {
        id: new_id(now),
        kind,
        order,
        number,
        description: String::new(),
        amount: Money::ZERO,
        vat: Money::ZERO,
        status: "completed".into(),
        created_at: now,
        captures: false,
        basket,
    }
}

async fn refund(State(world): State<Weak<World>>, headers: HeaderMap, body: Body) -> Response {
    let bytes = whole(body).await;
    Dialect::Invoicebox
        .answer(&world, Call::Operate, &headers, |world, trouble| {
            let request: RefundRequest =
                serde_json::from_slice(&bytes).map_err(|why| malformed(why.to_string()))?;
            if request.description.is_empty() || request.merchant_order_id.is_empty() {
                return Err(malformed("a mandatory field is empty".into()));
            }
            let mut done = new_done(
                world,
                "refund",
                request.parent_id,
                request.merchant_order_id,
                request.basket_items,
            );
            done.description = request.description;
            if trouble == Some(Trouble::Pending) {
                done.status = "created".into();
            }
            let mut done = take_in(world, done, Some((&request.amount, &request.vat_amount)))?;
            if trouble == Some(Trouble::OtherAmount) {
                done.amount = Money::from_kopecks(done.amount.kopecks() + 100);
            }
            Ok(data(refund_of(&done, world)))
        })
        .await
}

async fn ship(State(world): State<Weak<World>>, headers: HeaderMap, body: Body) -> Response {
    let bytes = whole(body).await;
    Dialect::Invoicebox
        .answer(&world, Call::Operate, &headers, |world, _| {
            let request: ShipmentRequest =
                serde_json::from_slice(&bytes).map_err(|why| malformed(why.to_string()))?;
            let done = new_done(
                world,
                "shipment",
                request.order_id,
                request.document_number,
                request.basket_items,
            );
            Ok(data(shipment_of(&take_in(world, done, None)?, world)))
        })
        .await
}

/// What can still be refunded of an order, by line.
async fn refundable(
    State(world): State<Weak<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    Dialect::Invoicebox
        .answer(&world, Call::Other, &headers, |world, _| {
            let mut ledger = world.ledger();
            let order = ledger.find(|entry| entry.id == id).cloned().ok_or_else(no_such_order)?;
            let left = left(&ledger, &order.id, &order.basket, "refund")?;
            let mut items: Vec<Value> =
                serde_json::from_str(order.basket.get()).unwrap_or_default();
            items.retain_mut(|item| {
                let of_item = left.iter().find(|(sku, _)| item["sku"] == sku.as_str());
                let Some((_, kopecks)) = of_item.filter(|(_, kopecks)| *kopecks > 0) else {
                    return false;
                };
                item["availableAmount"] = json!(digits(Money::from_kopecks(*kopecks)));
                true
            });
            Ok(data(Value::Array(items)))
        })
        .await
}

async fn refunds(
    State(world): State<Weak<World>>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let names = ["parentId", "merchantOrderId"];
    list(&world, query, &headers, "refund", names, refund_of).await
}

async fn shipments(
    State(world): State<Weak<World>>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    let names = ["orderId", "documentNumber"];
    list(&world, query, &headers, "shipment", names, shipment_of).await
}

async fn list(
    world: &Weak<World>,
    RawQuery(query): RawQuery,
    headers: &HeaderMap,
    kind: &'static str,
    [order, number]: [&'static str; 2],
    show: fn(&Done, &World) -> Value,
) -> Response {
    Dialect::Invoicebox
        .answer(world, Call::Other, headers, |world, _| -> Answer {
            let query = query.unwrap_or_default();
            let pairs = pairs(&query);
            let asked = |name: &str| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
            };
            let found: Vec<Value> = {
                let ledger = world.ledger();
                let fits = |done: &&Done| {
                    done.kind == kind
                        && asked("id").is_none_or(|id| done.id == id)
                        && asked(order).is_none_or(|id| done.order == id)
                        && asked(number).is_none_or(|number| done.number == number)
                        && asked("status").is_none_or(|status| done.status == status)
                };
                ledger.done().iter().filter(fits).map(|done| show(done, world)).collect()
            };
            Ok(page_of(found, &pairs))
        })
        .await
}
