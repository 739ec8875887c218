//! `POST /v1/orders/{id}/refunds` and `…/capture`: money goes back, or is taken of what is held, in part or whole, once
//! for each idempotency key.

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::describe::{BodyRead, Found, KeyTaken, Refusals};
use super::fields::check_text;
use super::ids::IdempotencyKey;
use super::keyed::{idempotency_key, taken_before};
use super::link_wait::Watch;
use super::{Caller, PLACING_MAX};
use crate::dedup::Answer;
use crate::dedup::key::Asked;
use crate::flows::move_money::{Refused, Request, move_money};
use crate::flows::place_order::{Keyed, Taken, answer_key, known_key, take_key};
use crate::flows::{OrderRecord, load_record};
use crate::http::body::{read_json, read_plain};
use crate::http::number_in;
use crate::http::page::List;
use crate::http::problem::Problem;
use crate::http::problems;
use crate::http::reply::answer;
use crate::http::request::ApiRequest;
use crate::http::work::see_through;
use crate::kernel::json::objects;
use crate::kernel::text::free_lines;
use crate::kernel::{Fingerprint, Money, PartyName, Quantity};
use crate::orders::Number;
use crate::payments::{LINES_MAX, LineRef, NotPlanned, OperationId, OperationKind, Part, PaymentId};
use crate::views::schema::{MoneyText, QuantityText};
use crate::views::{OperationDocument, OperationPhase};

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 1000;

/// What a site wants paid back, or taken.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// How much of which line; nothing for all that is left.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 500)]
    items: Vec<Item>,
    /// Which payment; the one that paid the order, if it is not said.
    payment_id: Option<PaymentId>,
    /// Why, for the payer to read.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
    )]
    reason: Option<String>,
}

/// How much of one line: a quantity when goods come back, or an amount when only money does.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Share)]
struct Item {
    /// The line, 1 for the first of the order's `items`. Either it or `sku` is named.
    #[schema(minimum = 1, maximum = 500, example = 1)]
    line: Option<u32>,
    /// The article, where it stands in no other line.
    #[schema(example = "123456")]
    sku: Option<String>,
    #[schema(value_type = Option<QuantityText>)]
    quantity: Option<Quantity>,
    #[schema(value_type = Option<MoneyText>)]
    amount: Option<Money>,
}

/// Pays money back: all that is left, or what `items` name.
///
/// Never more goes back than came, and nothing twice. Your site hears `refund.succeeded` or `refund.failed`.
#[utoipa::path(
    post, path = "/v1/orders/{id}/refunds", operation_id = "createRefund", tag = "money", request_body = Wanted,
    params(
        ("id" = Number, Path, description = "The order's `id`."),
        ("Idempotency-Key" = IdempotencyKey, Header, description = "The key under which the request is repeated as itself."),
    ),
    responses(
        (status = CREATED, body = OperationDocument, description = "What was asked for: `succeeded`, `failed`, or `pending` while the bank takes its time.",
         headers(("Idempotent-Replayed" = Option<bool>, description = "`true` when the request was answered before."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json", description = "`not-refundable`: there is no such money, or it is spoken for. `request-in-progress`: the first request under this key is not done."),
        Refusals, Found, BodyRead, KeyTaken,
    ),
)]
pub async fn refund(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    see_to(edge, merchant, id, OperationKind::Refund, headers, body).await
}

/// Takes money that is held: for what the order comes to, or for what `items` name. It is done once; the rest is let go.
#[utoipa::path(
    post, path = "/v1/orders/{id}/capture", operation_id = "captureOrder", tag = "money", request_body = Wanted,
    params(
        ("id" = Number, Path, description = "The order's `id`."),
        ("Idempotency-Key" = IdempotencyKey, Header, description = "The key under which the request is repeated as itself."),
    ),
    responses(
        (status = CREATED, body = OperationDocument, description = "What was asked for: `succeeded`, `failed`, or `pending` while the bank takes its time.",
         headers(("Idempotent-Replayed" = Option<bool>, description = "`true` when the request was answered before."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json", description = "`not-held`: there is no such money, or it is spoken for. `request-in-progress`: the first request under this key is not done."),
        Refusals, Found, BodyRead, KeyTaken,
    ),
)]
pub async fn capture(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    see_to(edge, merchant, id, OperationKind::Capture, headers, body).await
}

async fn see_to(
    edge: ApiRequest,
    merchant: PartyName,
    id: String,
    kind: OperationKind,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let place = edge.order_place()?;
    // The work goes on if the site hangs up: what it asked for is done once, and its repeat finds it.
    let work = async move {
        let _place = place;
        once(&edge, merchant, &id, kind, &headers, body).await
    };
    see_through(Box::pin(work), PLACING_MAX).await.map_err(|unfinished| {
        tracing::error!(error = %unfinished, "what a site wanted done with money was not taken in");
        let name = kind.name();
        Problem::unavailable(format!(
            "it is not known whether the {name} was taken in; send it again with the same Idempotency-Key"
        ))
    })?
}

async fn once(
    edge: &ApiRequest,
    merchant: PartyName,
    id: &str,
    kind: OperationKind,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number = number_in(id)?.ok_or_else(missing)?;
    let given = idempotency_key(headers)?;
    let body = read_plain(headers, body).await?;
    // A key is one of the order's: the same key and body under another order is another request.
    let asked_for = match kind {
        OperationKind::Capture => Asked::Capture(number),
        OperationKind::Refund | OperationKind::Shipment => Asked::Refund(number),
    };
    if let Some(known) = known_key(&edge.shop, &merchant, asked_for, &given, &body).await? {
        return taken_before(known);
    }
    let wanted = if body.trim_ascii().is_empty() { Wanted::default() } else { read_json(&body)? };
    let key = format!("{number}/{}/{given}", kind.name());
    let asked = Fingerprint::of(&[merchant.as_str().as_bytes(), key.as_bytes(), &body]);
    let request = read_request(merchant, number, kind, wanted, asked)?;
    // A request about no order of the merchant's takes no key.
    let record = load_record(&edge.shop.store, number).await?;
    let own = record.filter(|record| record.order.source == request.merchant).ok_or_else(missing)?;
    let keyed = Keyed {
        merchant: &request.merchant,
        asked: asked_for,
        external_id: Some(&own.order.external_id),
        key: &given,
        body: &body,
    };
    let id = match take_key(&edge.shop, keyed).await? {
        Taken::Ours(id) => id,
        known @ (Taken::Answered(_) | Taken::OtherRequest | Taken::UnderWay) => return taken_before(known),
    };
    let answered = match move_money(&edge.shop, &request).await? {
        Ok(id) => {
            let document = settled(edge, id).await?;
            let body = serde_json::to_string(&document).unwrap_or_default();
            Answer { status: 201, content_type: "application/json".into(), body }
        }
        Err(Refused::NotFound) => return Err(missing()),
        Err(Refused::No(why @ NotPlanned::NotHeld)) => problems::not_held(why.to_string()).into(),
        Err(Refused::No(why @ NotPlanned::NothingLeft)) if kind == OperationKind::Capture => {
            problems::not_held(why.to_string()).into()
        }
        Err(Refused::No(why @ (NotPlanned::NotPaid | NotPlanned::NothingLeft))) => {
            problems::not_refundable(why.to_string()).into()
        }
        Err(Refused::No(NotPlanned::Impossible(why))) => Problem::validation_failed(why).into(),
    };
    Ok(answer(answer_key(&edge.shop, id, Some(number), answered).await?))
}

fn read_request(
    merchant: PartyName,
    number: Number,
    kind: OperationKind,
    wanted: Wanted,
    asked: Fingerprint,
) -> Result<Request, Problem> {
    let unusable = |why: String| Problem::validation_failed(why);
    let Wanted { items, payment_id: payment, reason } = wanted;
    if kind == OperationKind::Capture && (payment.is_some() || reason.is_some()) {
        return Err(unusable("a capture has items and nothing else".into()));
    }
    if items.len() > LINES_MAX {
        return Err(unusable(format!("items: at most {LINES_MAX}")));
    }
    check_text("reason", reason.as_deref().unwrap_or_default(), true)?;
    if reason
        .as_ref()
        .is_some_and(|reason| reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX)
    {
        return Err(unusable(format!("reason: from 1 to {REASON_CHARS_MAX} characters")));
    }
    let part = |(place, item): (usize, Item)| {
        let named = match (item.line, item.sku) {
            (Some(line), None) => LineRef::Place(line),
            (None, Some(sku)) => LineRef::Sku(sku),
            (Some(_), Some(_)) | (None, None) => {
                let why = format!("items[{place}]: name either line, 1 for the first, or sku");
                return Err(unusable(why));
            }
        };
        match (item.quantity, item.amount) {
            (Some(quantity), None) => Ok((named, Part::Goods(quantity))),
            (None, Some(amount)) => Ok((named, Part::Money(amount))),
            (Some(_), Some(_)) | (None, None) => Err(unusable(format!(
                "items[{place}]: name a quantity, when goods come back, or an amount, when only money does"
            ))),
        }
    };
    let parts = items.into_iter().enumerate().map(part).collect::<Result<_, _>>()?;
    let reason = reason.map(|text| free_lines(&text));
    Ok(Request { merchant, number, kind, payment, parts, reason, asked })
}

/// The operation as it is, once it is over, or after [`super::link_wait::LINK_WAIT`].
async fn settled(edge: &ApiRequest, id: OperationId) -> Result<OperationDocument, Problem> {
    let number = id.payment.number;
    let shop = &edge.shop;
    let mut watch = Watch::over(shop, number.partition());
    loop {
        let checkout = load_record(&shop.store, number).await?.and_then(|record| record.checkout);
        let found = checkout.and_then(|checkout| {
            checkout
                .operations
                .iter()
                .find(|known| known.id == id)
                .map(|operation| OperationDocument::of(operation, edge.language))
        });
        let unread = || Problem::unavailable("it cannot be read what became of it; send the request again");
        let document = found.ok_or_else(unread)?;
        if document.state != OperationPhase::Pending || !watch.goes_on().await {
            return Ok(document);
        }
    }
}

/// Lists what was paid back of an order, or is about to be.
#[utoipa::path(
    get, path = "/v1/orders/{id}/refunds", operation_id = "listRefunds", tag = "money",
    params(("id" = Number, Path, description = "The order's `id`.")),
    responses((status = OK, body = List<OperationDocument>, description = "All refunds of the order, in the order in which they were asked for."), Refusals, Found),
)]
pub async fn list(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number = number_in(&id)?.ok_or_else(missing)?;
    let record = load_record(&edge.shop.store, number).await?;
    let own = record.filter(|record| record.order.source == merchant).ok_or_else(missing)?;
    let OrderRecord { checkout: Some(checkout), .. } = own else { return Err(missing()) };
    let items: Vec<OperationDocument> =
        checkout.refunds().map(|operation| OperationDocument::of(operation, edge.language)).collect();
    Ok(Json(List { items, next_cursor: None }).into_response())
}
