//! The merchants' API, under `/v1`: what a site's requests have in common, and how its orders stand.
//!
//! - [`place`]: a new order;
//! - [`change`]: other lines, or no order any more;
//! - [`money`]: money that is held is taken, or money goes back.

mod change;
mod money;
mod place;

pub use change::{cancel, change};
pub use money::{capture, list as list_refunds, refund};
pub use place::create;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use super::Edge;
use super::admin::{List, Paging, gather};
use super::hooks::answer;
use super::problem::Problem;
use crate::flows::move_money::OperationDocument;
use crate::flows::place_order::Taken;
use crate::flows::{Dossier, Shop, load_dossier, payment_document};
use crate::kernel::{ExternalId, Kind, Money, Number, Quantity, SourceName, Timestamp};
use crate::orders::{Amount, Order, PaymentDocument, State as OrderState};
use crate::payments::{Checkout, GoodsKind, Line, VatCode};
use crate::store::{DocKey, Unavailable};

/// The header under which a request is sent again as itself.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest idempotency key, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// How long the answer to a new order waits for its link.
const LINK_WAIT: Duration = Duration::from_secs(3);

/// How long placing an order may take in all: reading it, three commits, and the wait for its link.
const PLACING_MAX: Duration = Duration::from_secs(8);

/// How often whoever waits looks by itself: another node may have done the work.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// A line of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    sku: String,
    name: String,
    quantity: Quantity,
    price: Money,
    vat: VatCode,
    measure: Option<String>,
    measure_code: Option<String>,
    #[serde(default, rename = "type")]
    kind: GoodsKind,
}

/// An order as its merchant sees it.
#[derive(Debug, Serialize)]
pub struct Shown {
    id: Number,
    number: Number,
    merchant_order_id: ExternalId,
    state: OrderState,
    revision: u32,
    total: Amount,
    items: Vec<ShownItem>,
    payment: PaymentDocument,
    payments: Vec<ShownPayment>,
    refunds: Vec<OperationDocument>,
    created_at: Timestamp,
    paid_at: Option<Timestamp>,
    cancelled_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct ShownItem {
    sku: String,
    name: String,
    quantity: Quantity,
    price: Money,
    total: Money,
    vat: VatCode,
    vat_total: Money,
}

#[derive(Debug, Serialize)]
struct ShownPayment {
    id: crate::payments::PaymentId,
    revision: u32,
    amount: Amount,
    created_at: Timestamp,
}

fn shown(shop: &Shop, order: &Order, checkout: &Checkout) -> Option<Shown> {
    let view = order.view()?;
    let current = checkout.current()?;
    let item = |line: &Line| ShownItem {
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: line.quantity,
        price: line.price,
        total: line.total,
        vat: line.vat_code,
        vat_total: line.vat,
    };
    let payment = |payment: &crate::payments::Payment| ShownPayment {
        id: payment.id,
        revision: payment.revision,
        amount: payment.bill.total.into(),
        created_at: payment.created_at,
    };
    Some(Shown {
        id: order.number,
        number: order.number,
        merchant_order_id: order.external_id.clone(),
        state: view.state(),
        revision: view.revision,
        total: current.bill.total.into(),
        items: current.bill.lines.iter().map(item).collect(),
        payment: payment_document(shop, checkout),
        payments: checkout.payments.iter().map(payment).collect(),
        refunds: checkout.refunds().map(OperationDocument::of).collect(),
        created_at: view.created_at,
        paid_at: view.paid.map(|facet| facet.at),
        cancelled_at: view.cancelled.map(|facet| facet.at),
    })
}

/// Whose key the caller bears. Every merchant's is compared, so that time tells nothing.
fn merchant_of(edge: &Edge, headers: &HeaderMap) -> Result<SourceName, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = match (values.next(), values.next()) {
        (Some(value), None) => value.as_bytes().strip_prefix(b"Bearer "),
        (_, _) => None,
    };
    let found = bearer.and_then(|bearer| {
        let mut found = None;
        for (name, keys) in &edge.merchants {
            if keys.accept(bearer) {
                found = Some(name.clone());
            }
        }
        found
    });
    found.ok_or_else(|| Problem::unauthorized("send the merchant's key: Authorization: Bearer <api_key>"))
}

fn take_place(edge: &Edge) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(&edge.orders_at_once).try_acquire_owned();
    place.map_err(|_| Problem::unavailable("too many orders are under way; send the same request again"))
}

fn taken_before(known: Taken) -> Result<Response, Problem> {
    match known {
        Taken::Answered(given) => {
            let mut response = answer(given);
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
            Ok(response)
        }
        Taken::OtherRequest => Err(Problem::key_used_otherwise()),
        Taken::UnderWay | Taken::Ours(_) => Err(Problem::under_way()),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = match (values.next(), values.next()) {
        (Some(key), None) => key.to_str().unwrap_or_default().trim().to_owned(),
        (_, _) => String::new(),
    };
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        return Err(Problem::no_key(format!(
            "send one header Idempotency-Key of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible characters, new for each \
             order and the same when you repeat a request"
        )));
    }
    Ok(key)
}

fn read_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|why| match why.classify() {
        serde_json::error::Category::Data => Problem::unusable_order(why.to_string()),
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => Problem::bad_request(format!("the body is not JSON: {why}")),
    })
}

fn read_lines(items: Vec<Item>) -> Result<Vec<Line>, Problem> {
    let unusable = |why: String| Problem::unusable_order(why);
    let line = |(place, item): (usize, Item)| {
        let priced = Line::priced(item.sku, item.name, (item.quantity, item.price), item.vat);
        let mut line = priced.map_err(|why| unusable(format!("items[{place}]: {why}")))?;
        line.measure = item.measure.unwrap_or(line.measure);
        line.measure_code = item.measure_code.unwrap_or(line.measure_code);
        if line.measure.chars().count() > 10 || line.measure_code.chars().count() > 4 {
            return Err(unusable(format!(
                "items[{place}]: measure has at most 10 characters, measure_code at most 4"
            )));
        }
        line.kind = item.kind;
        Ok(line)
    };
    items.into_iter().enumerate().map(line).collect()
}

/// An order as it is, with its link, if that comes within [`LINK_WAIT`].
async fn linked(shop: &Shop, number: Number) -> Result<Shown, Problem> {
    let mut news = shop.news.listen();
    let deadline = crate::kernel::Stopwatch::start();
    loop {
        let dossier = load_dossier(&shop.store, number).await?;
        let found = dossier.and_then(|Dossier { order, checkout, .. }| shown(shop, &order, &checkout?.0));
        let Some(shown) = found else {
            return Err(Problem::unavailable("the order cannot be read; send the request again"));
        };
        let left = LINK_WAIT.saturating_sub(deadline.elapsed());
        if shown.payment.state != "requested" || left.is_zero() {
            return Ok(shown);
        }
        // News is for this process; another one may have made the link.
        let _ = tokio::time::timeout(left.min(LOOK_PAUSE), news.hears_of(number)).await;
    }
}

/// `GET /v1/orders/{id}`
pub async fn show(
    State(edge): State<Arc<Edge>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let merchant = merchant_of(&edge, &headers)?;
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number: Number = id.parse().map_err(|_| missing())?;
    let dossier = load_dossier(&edge.shop.store, number).await?;
    let own = dossier.filter(|dossier| dossier.order.source == merchant);
    let found = own.and_then(|Dossier { order, checkout, .. }| shown(&edge.shop, &order, &checkout?.0));
    found.map(with_revision).ok_or_else(missing)
}

/// The order with its revision as an entity tag, by which a change can say what it means to change.
fn with_revision(shown: Shown) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", shown.revision));
    let mut response = Json(shown).into_response();
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}

/// What a site's list can be narrowed by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    merchant_order_id: Option<String>,
    state: Option<OrderState>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/orders`
pub async fn list(
    State(edge): State<Arc<Edge>>,
    headers: HeaderMap,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<Shown>>, Problem> {
    let merchant = merchant_of(&edge, &headers)?;
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    let fits = |shown: &Shown| filter.state.is_none_or(|state| shown.state == state);
    if let Some(id) = &filter.merchant_order_id {
        let found = find(&edge.shop, &merchant, id).await?;
        return Ok(Json(List { items: found.into_iter().filter(fits).collect(), next_cursor: None }));
    }
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    let numbers = gather(&edge, Kind::Order, &paging, |stored| {
        let order: Order = stored.document()?;
        Ok((order.source == merchant).then_some(order))
    });
    let List { items, next_cursor } = numbers.await?;
    let mut shown_items = Vec::with_capacity(items.len());
    for order in items {
        let stored = edge.shop.store.load(&[DocKey::checkout(order.number)]).await?.pop().flatten();
        let checkout: Option<Checkout> =
            stored.map(|stored| stored.document()).transpose().map_err(Unavailable::from)?;
        shown_items.extend(checkout.and_then(|checkout| shown(&edge.shop, &order, &checkout)).filter(fits));
    }
    Ok(Json(List { items: shown_items, next_cursor }))
}

async fn find(shop: &Shop, merchant: &SourceName, id: &str) -> Result<Option<Shown>, Unavailable> {
    let Some(id) = ExternalId::parse(id) else { return Ok(None) };
    for slot in 0..Number::SLOTS_MAX {
        let number = Number::derive(merchant, &id, slot);
        let Some(Dossier { order, checkout, .. }) = load_dossier(&shop.store, number).await? else {
            return Ok(None);
        };
        if order.source == *merchant && order.external_id == id {
            return Ok(checkout.and_then(|(checkout, _)| shown(shop, &order, &checkout)));
        }
    }
    Ok(None)
}
