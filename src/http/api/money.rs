//! `POST /v1/orders/{id}/refunds` and `…/capture`: refunds money, or captures
//! held money, in part or in full, once for each idempotency key.

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::describe::{BodyRead, Found, KeyTaken, Refusals};
use super::fields::{Lines, text};
use super::ids::IdempotencyKey;
use super::keyed::{idempotency_key, taken_before};
use super::link_wait::LINK_WAIT;
use super::{Caller, PLACING_MAX};
use crate::dedup::Answer;
use crate::dedup::key::KeyedRequest;
use crate::flows::move_money::{Refused, Request, move_money};
use crate::flows::place_order::{Keyed, Taken, answer_key, known_key, take_key};
use crate::flows::{OrderRecord, load_record};
use crate::http::body::{read_fields, read_plain};
use crate::http::fields::{Expected, Fields, Shape, is};
use crate::http::number_in;
use crate::http::page::List;
use crate::http::problem::Problem;
use crate::http::problems;
use crate::http::reply::answer;
use crate::http::request::ApiRequest;
use crate::http::watch::Watch;
use crate::http::work::see_through;
use crate::kernel::json::objects;
use crate::kernel::text::free_lines;
use crate::kernel::{Fingerprint, Money, PartyName, Quantity};
use crate::orders::Number;
use crate::payments::{
    LINES_MAX, LineRef, NotPlanned, OperationId, OperationKind, Part, PaymentId,
};
use crate::views::schema::{MoneyText, QuantityText};
use crate::views::{OperationDocument, OperationPhase};

/// The fields of a refund or a capture.
const WANTED: Fields = &[
    ("items", Shape::List(PART)),
    ("payment_id", Shape::Optional(is::<PaymentId>)),
    ("reason", Shape::Optional(|value| text(value, REASON_CHARS_MAX, Lines::Many))),
];

const PART: Fields = &[
    ("line", Shape::Optional(is::<u32>)),
    ("sku", Shape::Optional(is::<String>)),
    ("quantity", Shape::Optional(is::<Quantity>)),
    ("amount", Shape::Optional(is::<Money>)),
];

impl Expected for PaymentId {
    const EXPECTED: &'static str = "must be the id of a payment such as \"482993011752-1\"";
}

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 1000;

/// What to refund or to capture. An empty object or no body means all that is
/// left.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The lines to refund or to capture, with the quantity or amount of each.
    /// Leave it out for all that is left.
    #[serde(default, deserialize_with = "objects")]
    #[schema(max_items = 500)]
    items: Vec<Item>,
    /// Refunds only: the payment to refund. By default, the payment that paid
    /// the order.
    payment_id: Option<PaymentId>,
    /// Refunds only: the reason, which the payer sees.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
    )]
    reason: Option<String>,
}

/// A part of one line: a `quantity` when goods are returned, or an `amount`
/// when only money is. Send exactly one of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Share)]
struct Item {
    /// The number of the line in the `items` of the order, starting with 1.
    /// Send either `line` or `sku`.
    #[schema(minimum = 1, maximum = 500, example = 1)]
    line: Option<u32>,
    /// The article, if only one line of the order has it. Send either `sku` or
    /// `line`.
    #[schema(example = "123456")]
    sku: Option<String>,
    #[schema(value_type = Option<QuantityText>)]
    quantity: Option<Quantity>,
    #[schema(value_type = Option<MoneyText>)]
    amount: Option<Money>,
}

/// Refunds money: all that is left, or what `items` name.
///
/// The refunds of a payment never exceed its amount, and repeating a request
/// with the same `Idempotency-Key` refunds nothing again. When the outcome is
/// known, your site gets the callback `refund.succeeded` or `refund.failed`.
#[utoipa::path(
    post, path = "/v1/orders/{id}/refunds", operation_id = "createRefund", tag = "money",
    request_body = Wanted,
    params(
        ("id" = Number, Path, description = "The `id` of the order, twelve digits."),
        ("Idempotency-Key" = IdempotencyKey, Header,
         description = "The key that identifies this request and its repeats."),
    ),
    responses(
        (status = CREATED, body = OperationDocument,
         description = "The refund: `state` is `succeeded`, `failed`, or `pending` while the \
             payment system has not answered.",
         headers(("Idempotent-Replayed" = Option<bool>, description = "`true` if this is the \
             stored answer to an earlier request with the same key."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json",
         description = "`not-refundable`: the order is not paid, or the money has been refunded \
             or is being refunded. `request-in-progress`: the first request with this key is \
             still being processed; repeat it after `Retry-After` seconds."),
        Refusals, Found, BodyRead, KeyTaken,
    ),
)]
pub async fn refund(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    see_to(app, merchant, id, OperationKind::Refund, headers, body).await
}

/// Captures held money: the total of the order, or what `items` name.
///
/// A payment can be captured once; the rest of the held money is released. If
/// the payment system refuses the capture, your site gets the callback
/// `capture.failed`.
#[utoipa::path(
    post, path = "/v1/orders/{id}/capture", operation_id = "captureOrder", tag = "money",
    request_body = Wanted,
    params(
        ("id" = Number, Path, description = "The `id` of the order, twelve digits."),
        ("Idempotency-Key" = IdempotencyKey, Header,
         description = "The key that identifies this request and its repeats."),
    ),
    responses(
        (status = CREATED, body = OperationDocument,
         description = "The capture: `state` is `succeeded`, `failed`, or `pending` while the \
             payment system has not answered.",
         headers(("Idempotent-Replayed" = Option<bool>, description = "`true` if this is the \
             stored answer to an earlier request with the same key."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json",
         description = "`not-held`: no money is held for the order, or it has been captured or \
             is being captured. `request-in-progress`: the first request with this key is still \
             being processed; repeat it after `Retry-After` seconds."),
        Refusals, Found, BodyRead, KeyTaken,
    ),
)]
pub async fn capture(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    see_to(app, merchant, id, OperationKind::Capture, headers, body).await
}

async fn see_to(
    app: ApiRequest,
    merchant: PartyName,
    id: String,
    kind: OperationKind,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let place = app.order_place()?;
    // If the site closes the connection, the work continues: it is done once,
    // and a repeated request finds it.
    let work = async move {
        let _place = place;
        once(&app, merchant, &id, kind, &headers, body).await
    };
    see_through(Box::pin(work), PLACING_MAX).await.map_err(|unfinished| {
        tracing::error!(
            error = %unfinished,
            "a refund or capture was not recorded in time; its site was asked to repeat the request"
        );
        let name = kind.name();
        Problem::unavailable(format!(
            "it is not known whether the {name} was recorded; repeat the request with the same \
            Idempotency-Key"
        ))
    })?
}

async fn once(
    app: &ApiRequest,
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
    // A key belongs to an order: the same key and body for another order is
    // another request.
    let asked_for = match kind {
        OperationKind::Capture => KeyedRequest::Capture(number),
        OperationKind::Refund | OperationKind::Shipment => KeyedRequest::Refund(number),
    };
    if let Some(known) = known_key(&app.services, &merchant, asked_for, &given, &body).await? {
        return taken_before(known);
    }
    let wanted =
        if body.trim_ascii().is_empty() { Wanted::default() } else { read_fields(&body, WANTED)? };
    let key = format!("{number}/{}/{given}", kind.name());
    let request_fingerprint =
        Fingerprint::of(&[merchant.as_str().as_bytes(), key.as_bytes(), &body]);
    let request = read_request(merchant, number, kind, wanted, request_fingerprint)?;
    // A request for an order that the merchant does not have must not take the
    // key.
    let record = load_record(&app.services.store, number).await?;
    let own =
        record.filter(|record| record.order.source == request.merchant).ok_or_else(missing)?;
    let keyed = Keyed {
        merchant: &request.merchant,
        asked: asked_for,
        external_id: Some(&own.order.external_id),
        key: &given,
        body: &body,
    };
    let id = match take_key(&app.services, keyed).await? {
        Taken::Ours(id) => id,
        known @ (Taken::Answered(_) | Taken::OtherRequest | Taken::UnderWay) => {
            return taken_before(known);
        }
    };
    let answered = match move_money(&app.services, &request).await? {
        Ok(id) => {
            let document = settled(app, id).await?;
            let body = serde_json::to_string(&document).unwrap_or_default();
            Answer { status: 201, content_type: "application/json".into(), body }
        }
        Err(Refused::NotFound) => return Err(missing()),
        Err(Refused::No(why)) => refusal(kind, why).into(),
    };
    Ok(answer(answer_key(&app.services, id, Some(number), answered).await?))
}

fn refusal(kind: OperationKind, why: NotPlanned) -> Problem {
    match why {
        NotPlanned::NotHeld => problems::not_held(why.to_string()),
        NotPlanned::NothingLeft if kind == OperationKind::Capture => {
            problems::not_held(why.to_string())
        }
        NotPlanned::NotPaid | NotPlanned::NothingLeft => problems::not_refundable(why.to_string()),
        NotPlanned::Impossible(why) => Problem::validation_failed(why),
    }
}

fn read_request(
    merchant: PartyName,
    number: Number,
    kind: OperationKind,
    wanted: Wanted,
    request_fingerprint: Fingerprint,
) -> Result<Request, Problem> {
    let unusable = |why: String| Problem::validation_failed(why);
    let Wanted { items, payment_id: payment, reason } = wanted;
    if kind == OperationKind::Capture && (payment.is_some() || reason.is_some()) {
        return Err(unusable("send only items for a capture".into()));
    }
    if items.len() > LINES_MAX {
        return Err(unusable(format!("items: send at most {LINES_MAX} lines")));
    }
    if reason
        .as_ref()
        .is_some_and(|reason| reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX)
    {
        return Err(unusable(format!("reason: use from 1 to {REASON_CHARS_MAX} characters")));
    }
    let part = |(place, item): (usize, Item)| {
        let named = match (item.line, item.sku) {
            (Some(line), None) => LineRef::Place(line),
            (None, Some(sku)) => LineRef::Sku(sku),
            (Some(_), Some(_)) | (None, None) => {
                let why = format!("items[{place}]: send either line (1 is the first) or sku");
                return Err(unusable(why));
            }
        };
        match (item.quantity, item.amount) {
            (Some(quantity), None) => Ok((named, Part::Goods(quantity))),
            (None, Some(amount)) => Ok((named, Part::Money(amount))),
            (Some(_), Some(_)) | (None, None) => Err(unusable(format!(
                "items[{place}]: send either quantity, if goods are returned, or amount, if only \
                money is"
            ))),
        }
    };
    let parts = items.into_iter().enumerate().map(part).collect::<Result<_, _>>()?;
    let reason = reason.map(|text| free_lines(&text));
    Ok(Request { merchant, number, kind, payment, parts, reason, request_fingerprint })
}

/// Waits until the operation is over, for at most
/// [`super::link_wait::LINK_WAIT`], and returns it.
async fn settled(app: &ApiRequest, id: OperationId) -> Result<OperationDocument, Problem> {
    let number = id.payment.number;
    let services = &app.services;
    let mut watch = Watch::over(services, number.partition(), LINK_WAIT);
    loop {
        let checkout =
            load_record(&services.store, number).await?.and_then(|record| record.checkout);
        let found = checkout.and_then(|checkout| {
            checkout
                .operations
                .iter()
                .find(|known| known.id == id)
                .map(|operation| OperationDocument::of(operation, app.language))
        });
        let unread = || {
            Problem::unavailable(
                "the outcome cannot be read; repeat the request with the same Idempotency-Key",
            )
        };
        let document = found.ok_or_else(unread)?;
        if document.state != OperationPhase::Pending || !watch.goes_on().await {
            return Ok(document);
        }
    }
}

/// Lists the refunds of an order, including those that are not made yet.
#[utoipa::path(
    get, path = "/v1/orders/{id}/refunds", operation_id = "listRefunds", tag = "money",
    params(("id" = Number, Path, description = "The `id` of the order, twelve digits.")),
    responses((status = OK, body = List<OperationDocument>, description = "All refunds of the \
        order, in the order in which they were requested."), Refusals, Found),
)]
pub async fn list(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number = number_in(&id)?.ok_or_else(missing)?;
    let record = load_record(&app.services.store, number).await?;
    let own = record.filter(|record| record.order.source == merchant).ok_or_else(missing)?;
    let OrderRecord { checkout: Some(checkout), .. } = own else { return Err(missing()) };
    let items: Vec<OperationDocument> = checkout
        .refunds()
        .map(|operation| OperationDocument::of(operation, app.language))
        .collect();
    Ok(Json(List { items, next_cursor: None }).into_response())
}
