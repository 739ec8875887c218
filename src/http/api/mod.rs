//! The merchants' API, under `/v1`: what a site's requests have in common, and how its orders stand.
//!
//! - [`place`]: a new order;
//! - [`change`]: other lines, no order any more, or goods that were handed over;
//! - [`money`]: money that is held is taken, or money goes back;
//! - [`deliveries`]: what its site was told;
//! - [`callbacks`]: the document of what it is told;
//! - [`fields`]: what an order's fields may hold;
//! - [`caller`]: who calls, and how often;
//! - [`describe`]: the document of all this.

mod callbacks;
mod caller;
mod change;
mod deliveries;
mod describe;
mod fields;
mod money;
mod place;

pub use caller::{Caller, MerchantDoor, Pace};

use crate::kernel::Partition;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, middleware};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use describe::{Found, Refusals};
use fields::{CustomerFields, Item, check_text, check_visible, read_customer, read_lines, until};

use super::admin::{List, Paging, gather};
use super::hooks::answer;
use super::problem::Problem;
use super::{Edge, number_in};
use crate::dedup::Answer;
use crate::flows::place_order::Taken;
use crate::flows::{Listener, OrderRecord, Shop, find_record, load_record};
use crate::kernel::Document;
use crate::kernel::json::{Object, tidy};
use crate::kernel::{ExternalId, PartyName, Stopwatch};
use crate::orders::Number;
use crate::orders::{Order, State as OrderState};
use crate::payments::Checkout;
use crate::payments::PaymentPhase;
use crate::store::Unavailable;
use crate::texts::Language;
use crate::views::{MerchantOrder, merchant_order};

/// The routes, and the document of them.
pub fn routes(edge: &Arc<Edge>) -> OpenApiRouter<Arc<Edge>> {
    described().route_layer(middleware::from_fn_with_state(Arc::clone(edge), caller::admit))
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Arc<Edge>> {
    OpenApiRouter::with_openapi(describe::frame())
        .routes(routes!(list, place::create))
        .routes(routes!(show, change::change))
        .routes(routes!(change::cancel))
        .routes(routes!(change::ship))
        .routes(routes!(money::capture))
        .routes(routes!(money::list, money::refund))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::test))
        .routes(routes!(deliveries::show))
        .routes(routes!(deliveries::redeliver))
}

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

fn take_place(edge: &Edge) -> Result<OwnedSemaphorePermit, Problem> {
    let place = Arc::clone(&edge.orders_at_once).try_acquire_owned();
    place.map_err(|_| Problem::unavailable("too many orders are under way; send the same request again"))
}

fn taken_before(known: Taken) -> Result<Response, Problem> {
    match known {
        Taken::Answered(given) => {
            let mut response = tagged(given);
            response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
            Ok(response)
        }
        Taken::OtherRequest => Err(Problem::key_used_otherwise()),
        Taken::UnderWay | Taken::Ours(_) => Err(Problem::request_in_progress()),
    }
}

/// The answer with the revision that it shows as its `ETag`, if it shows an order.
fn tagged(given: Answer) -> Response {
    #[derive(Deserialize)]
    struct Shown {
        revision: u32,
    }
    let shown: Option<Shown> = serde_json::from_str(&given.body).ok().filter(|_| given.status == 201);
    let tag = shown.and_then(|shown| HeaderValue::from_str(&format!("\"{}\"", shown.revision)).ok());
    let mut response = answer(given);
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = match (values.next(), values.next()) {
        (Some(key), None) => key.to_str().unwrap_or_default().trim().to_owned(),
        (_, _) => String::new(),
    };
    if key.is_empty()
        || key.len() > IDEMPOTENCY_KEY_BYTES_MAX
        || !key.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    {
        return Err(Problem::no_key(format!(
            "send one header Idempotency-Key of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII characters, new for each \
             order and the same when you repeat a request"
        )));
    }
    Ok(key)
}

fn read_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let read: Result<Object<T>, _> = serde_json::from_slice(&tidy(body).text);
    read.map(|Object(value)| value).map_err(|why| match why.classify() {
        serde_json::error::Category::Data => Problem::validation_failed(why.to_string()),
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => Problem::bad_request(format!("the body is not JSON: {why}")),
    })
}

/// An order as it is, with its link, if that comes within [`LINK_WAIT`].
async fn linked(shop: &Shop, number: Number) -> Result<MerchantOrder, Problem> {
    let mut watch = Watch::over(shop, number.partition());
    loop {
        let record = load_record(&shop.store, number).await?;
        let found = record.and_then(|OrderRecord { order, checkout, .. }| {
            let checkout = checkout?;
            let waits_in_vain = shop.resting.has(&checkout.gateway);
            Some((
                merchant_order(shop.frame(Language::En), &order, &checkout)?,
                checkout.is_to_be_altered() && !waits_in_vain,
                waits_in_vain,
            ))
        });
        let unread = || Problem::unavailable("the order cannot be read; send the request again");
        let (order, is_to_be_altered, waits_in_vain) = found.ok_or_else(unread)?;
        let is_under_way =
            is_to_be_altered || (order.payment.state == PaymentPhase::Requested && !waits_in_vain);
        if !is_under_way || !watch.goes_on().await {
            return Ok(order);
        }
    }
}

/// Waiting, for [`LINK_WAIT`] at most, for something to become of what is watched.
struct Watch {
    about: Partition,
    news: Listener,
    since: Stopwatch,
}

impl Watch {
    fn over(shop: &Shop, about: Partition) -> Watch {
        Watch { about, news: shop.news.listen(), since: Stopwatch::start() }
    }

    /// Returns when it is worth looking again, with `true`, or at once when the time is over, with `false`.
    async fn goes_on(&mut self) -> bool {
        let left = LINK_WAIT.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            return false;
        }
        // News is of this process; another one may have done the work.
        let _ = tokio::time::timeout(left.min(LOOK_PAUSE), self.news.hears_of(self.about)).await;
        true
    }
}

/// Shows an order.
#[utoipa::path(
    get, path = "/v1/orders/{id}", tag = "orders",
    params(("id" = Number, Path, description = "The order's `id`.")),
    responses(
        (status = OK, body = MerchantOrder, description = "It.", headers(("ETag" = String, description = "It is another after every change."))),
        Refusals, Found,
    ),
)]
pub async fn show(
    State(edge): State<Arc<Edge>>,
    Path(id): Path<String>,
    Extension(Caller(merchant)): Extension<Caller>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number = number_in(&id)?.ok_or_else(missing)?;
    let record = load_record(&edge.shop.store, number).await?;
    let own = record.filter(|record| record.order.source == merchant);
    let found = own.and_then(|OrderRecord { order, checkout, .. }| {
        merchant_order(edge.shop.frame(Language::En), &order, &*checkout?)
    });
    found.map(with_revision).ok_or_else(missing)
}

/// The order with its revision as an entity tag, by which a change can say what it means to change.
fn with_revision(shown: MerchantOrder) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", shown.tag));
    let mut response = Json(shown).into_response();
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    response
}

/// What a site's list can be narrowed by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The one under your number.
    #[param(value_type = Option<ExternalId>)]
    merchant_order_id: Option<String>,
    /// Those that stand so.
    state: Option<OrderState>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Entries of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// Lists your orders, the latest first.
#[utoipa::path(
    get, path = "/v1/orders", tag = "orders", params(Filter),
    responses((status = OK, body = List<MerchantOrder>, description = "A page of them."), Refusals),
)]
pub async fn list(
    State(edge): State<Arc<Edge>>,
    Extension(Caller(merchant)): Extension<Caller>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<MerchantOrder>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    let fits = |shown: &MerchantOrder| filter.state.is_none_or(|state| shown.state == state);
    if let Some(id) = &filter.merchant_order_id {
        let found = find(&edge.shop, &merchant, id).await?;
        return Ok(Json(List { items: found.into_iter().filter(fits).collect(), next_cursor: None }));
    }
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    let numbers = gather(&edge, Order::KIND, &paging, |stored| {
        let order: Order = stored.document()?;
        Ok((order.source == merchant).then_some(order))
    });
    let List { items, next_cursor } = numbers.await?;
    let mut shown_items = Vec::with_capacity(items.len());
    for order in items {
        let stored = edge.shop.store.load(&[Checkout::key(order.number)]).await?.pop().flatten();
        let checkout: Option<Checkout> =
            stored.map(|stored| stored.document()).transpose().map_err(Unavailable::from)?;
        shown_items.extend(
            checkout
                .and_then(|checkout| merchant_order(edge.shop.frame(Language::En), &order, &checkout))
                .filter(fits),
        );
    }
    Ok(Json(List { items: shown_items, next_cursor }))
}

async fn find(shop: &Shop, merchant: &PartyName, id: &str) -> Result<Option<MerchantOrder>, Unavailable> {
    let Some(id) = ExternalId::parse(id) else { return Ok(None) };
    let found = find_record(shop, merchant, &id).await?;
    Ok(found.and_then(|OrderRecord { order, checkout, .. }| {
        merchant_order(shop.frame(Language::En), &order, &*checkout?)
    }))
}
