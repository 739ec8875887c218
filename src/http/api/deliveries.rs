//! `/v1/deliveries`: shows callbacks to a merchant's site with their outcome,
//! sends them again, and tests the callback address.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Caller;
use super::describe::{BodyRead, Found, Refusals};
use super::ids::DeliveryId;
use super::link_wait::LINK_WAIT;
use super::place::callback;
use crate::flows::Callbacks;
use crate::flows::settle_delivery::{
    begun_again, callback_of, callbacks_about, change_delivery, is_callback_of, send_test,
    waiting_callbacks,
};
use crate::http::body::{read_json, read_plain};
use crate::http::number_in;
use crate::http::page::{List, PAGE_DEFAULT, PAGE_MAX};
use crate::http::problem::Problem;
use crate::http::request::ApiRequest;
use crate::http::watch::Watch;
use crate::kernel::{Failure, PartyName, Timestamp};
use crate::orders::Number;
use crate::outbox::MessageId;
use crate::outbox::message_key;
use crate::outbox::{Delivery, DeliveryState};
use crate::store::{Cursor, NotACursor, Unavailable};
use crate::texts::{Language, WithText};
use crate::views::ReasonShape;

/// A callback to your site, with its delivery state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryDocument {
    /// The `webhook-id` of the callback, the same in every attempt.
    #[schema(value_type = DeliveryId)]
    id: String,
    /// `pending`, `sent`, `dead` (not accepted for three days: request a
    /// redelivery) or `dropped` by the operator. After your site has answered
    /// 410, it stays `pending` and is not sent: see `last_error`.
    #[schema(value_type = DeliveryStateName)]
    state: &'static str,
    /// When the callback was created, in RFC 3339.
    created_at: Timestamp,
    /// When it will be tried next, or when it was sent, died or was dropped, in
    /// RFC 3339.
    at: Timestamp,
    /// The number of attempts since it was created or last requested again.
    attempts: u32,
    /// Why the last attempt failed.
    #[schema(value_type = Option<ReasonShape>)]
    last_error: Option<WithText<Failure>>,
    /// The body of the callback, exactly as sent: `type`, `timestamp` and
    /// `data`.
    #[schema(value_type = Object)]
    event: serde_json::Value,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeliveryStateName {
    Pending,
    Sent,
    Dead,
    Dropped,
}

impl DeliveryDocument {
    fn of(delivery: Delivery, language: Language) -> DeliveryDocument {
        let at = match delivery.state {
            DeliveryState::Pending { due: at }
            | DeliveryState::Sent { at }
            | DeliveryState::Dead { at }
            | DeliveryState::Dropped { at } => at,
        };
        DeliveryDocument {
            id: format!("msg_{}", delivery.id),
            state: delivery.state.as_str(),
            created_at: delivery.created_at,
            at,
            attempts: delivery.attempts,
            last_error: delivery.last_error.map(|error| WithText::of(error, language)),
            event: serde_json::from_str(&delivery.body).unwrap_or_default(),
        }
    }
}

/// The state of the deliveries to list.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unsettled {
    /// Deliveries that wait for their next attempt.
    Pending,
    /// Deliveries that were given up.
    Dead,
}

/// Filters a list of deliveries: those of one order, or those that your site
/// has not accepted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// List all deliveries of this order, oldest first. Cannot be combined with
    /// other parameters.
    #[param(value_type = Option<Number>)]
    order_id: Option<String>,
    /// Without `order_id`: list deliveries that wait for their next attempt
    /// (`pending`, the default), or that were given up (`dead`).
    #[param(inline)]
    state: Option<Unsettled>,
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
    /// The number of entries on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// Lists the callbacks of an order, or those that your site has not accepted.
///
/// Pending callbacks are sorted by the time of their next attempt, and dead
/// ones by the time at which they were given up. A callback that is tried while
/// you read the pages may appear twice; none is skipped, except one that you
/// have redelivered in the meantime.
#[utoipa::path(
    get, path = "/v1/deliveries", operation_id = "listDeliveries", tag = "callbacks",
    params(Filter),
    responses((status = OK, body = List<DeliveryDocument>, description = "A page of deliveries: \
        the oldest first for an order, otherwise sorted by `at`."), Refusals, Found),
)]
pub async fn list(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<DeliveryDocument>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    if let Some(id) = &filter.order_id {
        if filter.state.is_some() || filter.cursor.is_some() || filter.limit.is_some() {
            return Err(Problem::bad_parameter(
                "order_id",
                "it cannot be combined with other parameters",
            ));
        }
        let missing = || Problem::not_found(format!("there is no order {id} of yours"));
        let number = number_in(id)?.ok_or_else(missing)?;
        let about = callbacks_about(&app.services, &merchant, number).await?.ok_or_else(missing)?;
        let items = about
            .into_iter()
            .map(|delivery| DeliveryDocument::of(delivery, app.language))
            .collect();
        return Ok(Json(List { items, next_cursor: None }));
    }
    let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let dead = matches!(filter.state, Some(Unsettled::Dead));
    let side = if dead { "dead." } else { "pending." };
    let after =
        filter.cursor.as_deref().map(|cursor| place_in(cursor, side, &merchant)).transpose();
    let after = after.map_err(|why| Problem::bad_parameter("cursor", why))?;
    let page = waiting_callbacks(&app.services, &merchant, dead, after, limit).await?;
    let items = page
        .items
        .into_iter()
        .map(|delivery| DeliveryDocument::of(delivery, app.language))
        .collect();
    Ok(Json(List { items, next_cursor: page.next.map(|next| format!("{side}{next}")) }))
}

/// The position of a cursor in the list of this merchant and state; a cursor of
/// another list is an error.
fn place_in(cursor: &str, side: &str, merchant: &PartyName) -> Result<Cursor, NotACursor> {
    let place: Cursor = cursor.strip_prefix(side).ok_or(NotACursor)?.parse()?;
    if place.queue() == Some(merchant.as_str()) { Ok(place) } else { Err(NotACursor) }
}

fn missing(id: &str) -> Problem {
    Problem::not_found(format!("there is no delivery {id} of yours"))
}

fn read_id(id: &str) -> Result<MessageId, Problem> {
    id.strip_prefix("msg_").and_then(|id| id.parse().ok()).ok_or_else(|| missing(id))
}

/// Shows one delivery.
#[utoipa::path(
    get, path = "/v1/deliveries/{id}", operation_id = "showDelivery", tag = "callbacks",
    params(("id" = DeliveryId, Path,
     description = "The `id` of the delivery, for example `msg_482993011752-2`.")),
    responses((status = OK, body = DeliveryDocument, description = "The delivery with its \
        current state."), Refusals, Found),
)]
pub async fn show(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<DeliveryDocument>, Problem> {
    let found = callback_of(&app.services, &merchant, read_id(&id)?).await?;
    found
        .map(|delivery| Json(DeliveryDocument::of(delivery, app.language)))
        .ok_or_else(|| missing(&id))
}

/// Sends a callback again, in whatever state it is, with the same `webhook-id`.
///
/// The answer comes when your site has answered, or after three seconds.
#[utoipa::path(
    post, path = "/v1/deliveries/{id}/redeliver", operation_id = "redeliverDelivery",
    tag = "callbacks",
    params(("id" = DeliveryId, Path,
     description = "The `id` of the delivery, for example `msg_482993011752-2`.")),
    responses((status = ACCEPTED, body = DeliveryDocument, description = "The delivery that is \
        sent again: `state` is `sent` if your site has accepted it, otherwise `pending`; \
        `last_error` says why an attempt failed."), Refusals, Found),
)]
pub async fn redeliver(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let message = read_id(&id)?;
    let again = |delivery: Delivery, _| {
        if is_callback_of(&merchant, &delivery) {
            Ok(begun_again(delivery))
        } else {
            Err(missing(&id))
        }
    };
    change_delivery(&app.services, message, again).await?.ok_or_else(|| missing(&id))??;
    Ok((StatusCode::ACCEPTED, tried(&app, message).await?).into_response())
}

/// The address to test.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The address to test, as in `callback_url` of an order; your configured
    /// one if it is left out.
    #[schema(example = "https://shop.example/tillgate")]
    callback_url: Option<String>,
}

/// Sends an event of the type `tillgate.test` to your site.
///
/// The answer comes when your site has answered, or after three seconds;
/// `last_error` says why the attempt failed. If your site has answered 410, no
/// other callbacks are sent until it accepts a test. To test an address that
/// you name in orders, name it here.
#[utoipa::path(
    post, path = "/v1/deliveries/test", operation_id = "testDelivery", tag = "callbacks",
    request_body(content = Option<Trial>, description = "No body, or the address to test."),
    responses(
        (status = ACCEPTED, body = DeliveryDocument,
         description = "The delivery of the test event: `state` is `sent` if your site has \
             accepted it; otherwise `last_error` says what is wrong."),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json",
         description = "`conflict`: no `callback_url` is configured for you. Name the address to \
             test in the request."),
        (status = UNPROCESSABLE_ENTITY, body = Problem, content_type = "application/problem+json",
         description = "`validation-failed`: the body does not have the described form, or the \
             address may not be called; `detail` says why."),
        Refusals, BodyRead,
    ),
)]
pub async fn test(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = read_plain(&headers, body).await?;
    let trial: Trial =
        if body.trim_ascii().is_empty() { Trial::default() } else { read_json(&body)? };
    let profile = app.services.merchants.get(&merchant);
    let url = match (trial.callback_url, profile) {
        (Some(url), Some(profile)) => {
            let admitted = callback(&app, profile, &url);
            let invalid = |why| Problem::validation_failed(format!("callback_url: {why}"));
            Some(admitted.map_err(invalid)?)
        }
        (None, Some(profile)) if profile.callbacks == Callbacks::Always => None,
        (_, _) => {
            let why =
                "no callback_url is configured for you: name the address to test in callback_url";
            return Err(Problem::conflict(why));
        }
    };
    let id = send_test(&app.services, &merchant, url).await?;
    Ok((StatusCode::ACCEPTED, tried(&app, id).await?).into_response())
}

/// The delivery after its next attempt, or after
/// [`super::link_wait::LINK_WAIT`].
async fn tried(app: &ApiRequest, id: MessageId) -> Result<Json<DeliveryDocument>, Problem> {
    let mut watch = Watch::over(&app.services, id.subject, LINK_WAIT);
    loop {
        let stored = app.services.store.load(&[message_key(id)]).await?.pop().flatten();
        let stored = stored.ok_or_else(|| Problem::unavailable("the delivery cannot be read"))?;
        let delivery: Delivery = stored.document().map_err(Unavailable::from)?;
        let is_tried = delivery.attempts > 0
            || delivery.last_error.is_some()
            || !matches!(delivery.state, DeliveryState::Pending { .. });
        if is_tried || !watch.goes_on().await {
            return Ok(Json(DeliveryDocument::of(delivery, app.language)));
        }
    }
}
