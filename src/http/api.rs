//! The merchants' API, under `/v1`: a site places an order, and asks how it stands.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use super::Edge;
use super::admin::{List, Paging, gather};
use super::hooks::{answer, read_body};
use super::problem::Problem;
use super::work::see_through;
use crate::dedup::Answer;
use crate::flows::place_order::{Placed, Placement, Taken, answer_key, known_key, place, take_key};
use crate::flows::revise_order::{Refused, Request, Wish, revise};
use crate::flows::{Dossier, Shop, load_dossier, payment_document};
use crate::kernel::money::CURRENCY;
use crate::kernel::time::{between, later};
use crate::kernel::{ExternalId, Kind, Money, Number, Quantity, SourceName, Timestamp};
use crate::orders::{Amount, Order, PaymentDocument, State as OrderState};
use crate::payments::{Bill, Checkout, Customer, GoodsKind, Line, VatCode, Ways};
use crate::peer::Url;
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

/// How long an order can be paid when the merchant does not say, in days; and the most that it can say.
const EXPIRES_DAYS_DEFAULT: u32 = 3;
const EXPIRES_DAYS_MAX: u32 = 366;

/// The longest address of a merchant's page, in bytes.
const URL_BYTES_MAX: usize = 1000;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An order as a site asks for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    merchant_order_id: String,
    description: Option<String>,
    #[serde(default)]
    customer: Customer,
    #[serde(default = "currency_default")]
    currency: String,
    items: Vec<Item>,
    /// What the site reckons the sum to be: compared, if it is there.
    total: Option<Money>,
    success_url: Option<String>,
    fail_url: Option<String>,
    return_url: Option<String>,
    expires_at: Option<Timestamp>,
}

fn currency_default() -> String {
    CURRENCY.into()
}

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

/// `POST /v1/orders`
pub async fn create(State(edge): State<Arc<Edge>>, headers: HeaderMap, body: Body) -> Response {
    let again = "send it again with the same Idempotency-Key";
    // A stranger takes no place.
    let merchant = match merchant_of(&edge, &headers) {
        Ok(merchant) => merchant,
        Err(problem) => return problem.into_response(),
    };
    let place = match take_place(&edge) {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    // The work goes on if the site hangs up: what it asked for is done once, and its repeat finds it.
    let work = async move {
        let placed = place_order(&edge, merchant, &headers, body).await;
        drop(place);
        placed
    };
    match see_through(Box::pin(work), PLACING_MAX).await {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.into_response(),
        Err(unfinished) => {
            tracing::error!(error = %unfinished, "an order was not placed");
            Problem::unavailable(format!("the order could not be placed; {again}")).into_response()
        }
    }
}

fn take_place(edge: &Edge) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(&edge.orders_at_once).try_acquire_owned();
    place.map_err(|_| Problem::unavailable("too many orders are under way; send the same request again"))
}

async fn place_order(
    edge: &Edge,
    merchant: SourceName,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let seller = edge.shop.sellers.get(&merchant);
    let seller =
        seller.ok_or_else(|| Problem::switched_off("this merchant has no payment system configured"))?;
    let key = idempotency_key(headers)?;
    let (bytes, is_whole) = read_body(body).await?;
    if !is_whole {
        return Err(Problem::too_large("an order may have 1 MiB"));
    }
    // Before the body is looked at: what was right when it came first may have expired since.
    if let Some(known) = known_key(&edge.shop, &merchant, &key, &bytes).await? {
        return taken_before(known);
    }
    let placement = read_placement(&edge.shop, merchant, bytes)?;
    let id = match take_key(&edge.shop, &placement, &key).await? {
        Taken::Ours(id) => id,
        known @ (Taken::Answered(_) | Taken::OtherRequest | Taken::UnderWay) => return taken_before(known),
    };
    let (number, given) = match place(&edge.shop, seller, &placement).await? {
        Placed::Stands(number) => {
            let shown = linked(&edge.shop, number).await?;
            let body = serde_json::to_string(&shown).unwrap_or_default();
            (number, Answer { status: 201, content_type: "application/json".into(), body })
        }
        Placed::NumberTaken(number) => {
            let detail = format!(
                "merchant_order_id {}: you have placed another order under it, {number}; read it with GET /v1/orders/{number}",
                placement.merchant_order_id
            );
            (number, Problem::number_taken(detail).as_answer())
        }
    };
    let given = answer_key(&edge.shop, id, Some(number), given).await?;
    Ok(answer(given))
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

fn read_placement(shop: &Shop, merchant: SourceName, body: Bytes) -> Result<Placement, Problem> {
    let unusable = |why: String| Problem::unusable_order(why);
    let order: NewOrder = read_json(&body)?;
    let merchant_order_id = ExternalId::parse(&order.merchant_order_id);
    let merchant_order_id = merchant_order_id.ok_or_else(|| {
        unusable("merchant_order_id: from 1 to 255 bytes without control characters".into())
    })?;
    if order.currency != CURRENCY {
        return Err(unusable(format!("currency: {:?} is not taken, only {CURRENCY}", order.currency)));
    }
    let now = shop.clock.now();
    let expires_at = order.expires_at.unwrap_or_else(|| later(now, DAY * EXPIRES_DAYS_DEFAULT));
    if expires_at <= now || between(now, expires_at) > DAY * EXPIRES_DAYS_MAX {
        return Err(unusable(format!("expires_at: it must lie ahead, by {EXPIRES_DAYS_MAX} days at most")));
    }
    let lines = read_lines(order.items)?;
    let Customer { name, phone, email, vat_number, registration_address, .. } = &order.customer;
    for (field, value, most) in [
        ("name", name, 500),
        ("phone", phone, 100),
        ("email", email, 100),
        ("vat_number", vat_number, 20),
        ("registration_address", registration_address, 1000),
    ] {
        if value.as_ref().is_some_and(|value| value.chars().count() > most) {
            return Err(unusable(format!("customer.{field}: at most {most} characters")));
        }
    }
    let description = order.description.unwrap_or_else(|| format!("Заказ {merchant_order_id}"));
    let bill = Bill::over(description, lines, order.customer, expires_at);
    let bill = bill.map_err(|why| unusable(why.to_string()))?;
    bill.agrees(order.total).map_err(|why| unusable(why.to_string()))?;
    let ways = Ways {
        success: page("success_url", order.success_url)?,
        fail: page("fail_url", order.fail_url)?,
        back: page("return_url", order.return_url)?,
    };
    Ok(Placement { merchant, merchant_order_id, bill, ways, body })
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

/// An address that a buyer's browser may be sent to.
fn page(name: &str, url: Option<String>) -> Result<Option<String>, Problem> {
    let Some(url) = url else { return Ok(None) };
    let parsed = Url::parse(&url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let usable = parsed.filter(|parsed| parsed.host_str().is_some() && url.len() <= URL_BYTES_MAX);
    match usable {
        Some(parsed) => Ok(Some(parsed.into())),
        None => Err(Problem::unusable_order(format!(
            "{name}: an address such as https://shop.example/page, of at most {URL_BYTES_MAX} bytes"
        ))),
    }
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

/// The revision that a change is meant for, if it says so. A tag that is none of ours fits no revision.
fn meant_revision(headers: &HeaderMap) -> Option<u32> {
    let value = headers.get(header::IF_MATCH)?.to_str().unwrap_or_default().trim();
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    (value != "*").then(|| quoted.and_then(|revision| revision.parse().ok()).unwrap_or(0))
}

/// What a site changes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    items: Vec<Item>,
    /// What the site reckons the sum to be: compared, if it is there.
    total: Option<Money>,
}

/// `PATCH /v1/orders/{id}`
pub async fn change(
    State(edge): State<Arc<Edge>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let merchant = merchant_of(&edge, &headers)?;
    let place = take_place(&edge)?;
    let (body, is_whole) = read_body(body).await?;
    if !is_whole {
        return Err(Problem::too_large("a change may have 1 MiB"));
    }
    let Change { items, total } = read_json(&body)?;
    let wish = Wish::Lines(read_lines(items)?, total);
    revised(edge, (merchant, id), (wish, meant_revision(&headers), body), place).await
}

/// `POST /v1/orders/{id}/cancel`
pub async fn cancel(
    State(edge): State<Arc<Edge>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let merchant = merchant_of(&edge, &headers)?;
    let place = take_place(&edge)?;
    let (body, _) = read_body(body).await?;
    if !matches!(body.trim_ascii(), b"" | b"{}") {
        return Err(Problem::bad_request("calling an order off has nothing to say: send no body"));
    }
    revised(edge, (merchant, id), (Wish::Cancel, meant_revision(&headers), body), place).await
}

async fn revised(
    edge: Arc<Edge>,
    (merchant, id): (SourceName, String),
    (wish, revision, body): (Wish, Option<u32>, Bytes),
    place: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number: Number = id.parse().map_err(|_| missing())?;
    // The work goes on if the site hangs up; its repeat finds it done.
    let work = async move {
        let _place = place;
        let request = Request { merchant, number, wish, revision, body };
        Ok::<_, Problem>(match revise(&edge.shop, &request).await? {
            Ok(()) => Ok(linked(&edge.shop, number).await?),
            Err(refused) => Err(refused),
        })
    };
    let outcome = see_through(Box::pin(work), PLACING_MAX).await.map_err(|unfinished| {
        tracing::error!(error = %unfinished, "an order was not changed");
        Problem::unavailable("it is not known whether the order was changed; send the request again")
    })??;
    match outcome {
        Ok(shown) => Ok(with_revision(shown)),
        Err(Refused::NotFound) => Err(missing()),
        Err(Refused::Paid) => Err(Problem::paid("money has come for it: pay it back instead of changing it")),
        Err(Refused::Expired) => Err(Problem::closed("the time to pay it is over: place another order")),
        Err(Refused::Closed(state)) => Err(Problem::closed(format!("it is {state}"))),
        Err(Refused::Revision(now)) => Err(Problem::other_revision(format!(
            "it is at revision {now}: read it again, and send If-Match: \"{now}\" if the change still makes sense"
        ))),
        Err(Refused::BadBill(why)) => Err(Problem::unusable_order(why)),
    }
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
