//! `/v1/deliveries`: what a merchant's site was told, whether it has taken it, and telling it again.

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
use super::link_wait::Watch;
use super::place::callback;
use crate::flows::Callbacks;
use crate::flows::tend_delivery::{
    alter, begun_again, callback_of, callbacks_about, is_callback_of, send_test, waiting_callbacks,
};
use crate::http::body::{read_json, read_plain};
use crate::http::number_in;
use crate::http::page::{List, PAGE_DEFAULT, PAGE_MAX};
use crate::http::problem::Problem;
use crate::http::request::ApiRequest;
use crate::kernel::{Failure, PartyName, Timestamp};
use crate::orders::Number;
use crate::outbox::MessageId;
use crate::outbox::message_key;
use crate::outbox::{Delivery, DeliveryState};
use crate::store::{Cursor, NotACursor, Unavailable};
use crate::texts::{Language, Worded};
use crate::views::ReasonShape;

/// A callback to the merchant's site, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryDocument {
    /// What the callback bears as `webhook-id`, the same in every attempt.
    #[schema(value_type = DeliveryId)]
    id: String,
    /// `pending`, `sent`, `dead` (not taken for three days: ask for a redelivery) or `dropped` by our operator. While your site
    /// answers 410 it stays `pending` and is not sent: see `last_error`.
    #[schema(value_type = DeliveryStateName)]
    state: &'static str,
    /// When it was made.
    created_at: Timestamp,
    /// When it is tried next, was sent, died or was dropped.
    at: Timestamp,
    /// How often it was tried, since it was made or asked for again.
    attempts: u32,
    /// What was wrong with the last attempt.
    #[schema(value_type = Option<ReasonShape>)]
    last_error: Option<Worded<Failure>>,
    /// What is told, as it is sent: `type`, `timestamp` and `data`.
    #[schema(value_type = Object)]
    event: serde_json::Value,
}

/// The states of a delivery.
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
            last_error: delivery.last_error.map(|error| Worded::of(error, language)),
            event: serde_json::from_str(&delivery.body).unwrap_or_default(),
        }
    }
}

/// Which deliveries are listed.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unsettled {
    /// Those that wait for their next attempt.
    Pending,
    /// Those that were given up.
    Dead,
}

/// What a list of deliveries is about: one order, or all that were not taken.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// All about this order, the oldest first. It excludes the other parameters.
    #[param(value_type = Option<Number>)]
    order_id: Option<String>,
    /// Without an order: those that wait, which is what is listed when nothing is said, or those that were given up.
    #[param(inline)]
    state: Option<Unsettled>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Entries of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// Lists what your site was told about an order, or what it has not taken yet.
///
/// What was not taken is listed by the time of its next attempt: one that is tried while you turn the pages may be met
/// twice, and none is passed over but one that you have redelivered meanwhile.
#[utoipa::path(
    get, path = "/v1/deliveries", operation_id = "listDeliveries", tag = "callbacks", params(Filter),
    responses((status = OK, body = List<DeliveryDocument>, description = "A page of deliveries, the latest first."), Refusals, Found),
)]
pub async fn list(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<DeliveryDocument>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    if let Some(id) = &filter.order_id {
        if filter.state.is_some() || filter.cursor.is_some() || filter.limit.is_some() {
            return Err(Problem::bad_parameter("order_id", "it excludes the other parameters"));
        }
        let missing = || Problem::not_found(format!("there is no order {id} of yours"));
        let number = number_in(id)?.ok_or_else(missing)?;
        let about = callbacks_about(&edge.shop, &merchant, number).await?.ok_or_else(missing)?;
        let items = about.into_iter().map(|delivery| DeliveryDocument::of(delivery, edge.language)).collect();
        return Ok(Json(List { items, next_cursor: None }));
    }
    let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let dead = matches!(filter.state, Some(Unsettled::Dead));
    let side = if dead { "dead." } else { "pending." };
    let after = filter.cursor.as_deref().map(|cursor| place_in(cursor, side, &merchant)).transpose();
    let after = after.map_err(|why| Problem::bad_parameter("cursor", why))?;
    let page = waiting_callbacks(&edge.shop, &merchant, dead, after, limit).await?;
    let items =
        page.items.into_iter().map(|delivery| DeliveryDocument::of(delivery, edge.language)).collect();
    Ok(Json(List { items, next_cursor: page.next.map(|next| format!("{side}{next}")) }))
}

/// The place that a cursor means in the list of this merchant and this side; one of another list is none.
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
    get, path = "/v1/deliveries/{id}", operation_id = "showDelivery", tag = "callbacks", params(("id" = DeliveryId, Path, description = "The delivery's `id`.")),
    responses((status = OK, body = DeliveryDocument, description = "The delivery as it stands now."), Refusals, Found),
)]
pub async fn show(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<DeliveryDocument>, Problem> {
    let found = callback_of(&edge.shop, &merchant, read_id(&id)?).await?;
    found.map(|delivery| Json(DeliveryDocument::of(delivery, edge.language))).ok_or_else(|| missing(&id))
}

/// Sends a callback once more, whatever became of it, under the same `webhook-id`.
///
/// The answer comes when your site has answered, or after three seconds.
#[utoipa::path(
    post, path = "/v1/deliveries/{id}/redeliver", operation_id = "redeliverDelivery", tag = "callbacks",
    params(("id" = DeliveryId, Path, description = "The delivery's `id`.")),
    responses((status = ACCEPTED, body = DeliveryDocument, description = "The delivery, which is sent again."), Refusals, Found),
)]
pub async fn redeliver(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let message = read_id(&id)?;
    let again = |delivery: Delivery, _| {
        if is_callback_of(&merchant, &delivery) { Ok(begun_again(delivery)) } else { Err(missing(&id)) }
    };
    alter(&edge.shop, message, again).await?.ok_or_else(|| missing(&id))??;
    Ok((StatusCode::ACCEPTED, tried(&edge, message).await?).into_response())
}

/// What is tried.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The address, as an order may name it; your own if it is left out.
    #[schema(example = "https://shop.example/tillgate")]
    callback_url: Option<String>,
}

/// Sends your site an event of the type `tillgate.test`.
///
/// The answer comes when your site has answered, or after three seconds: `last_error` says what is wrong. A site that has
/// answered 410 hears nothing more until it takes a test. An address that you name in an order is tried by naming it here.
#[utoipa::path(
    post, path = "/v1/deliveries/test", operation_id = "testDelivery", tag = "callbacks",
    request_body(content = Option<Trial>, description = "Nothing, or which address is tried."),
    responses(
        (status = ACCEPTED, body = DeliveryDocument, description = "The delivery of the test event, which is on its way."),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json",
         description = "`conflict`: no callback_url is configured for you."),
        (status = UNPROCESSABLE_ENTITY, body = Problem, content_type = "application/problem+json",
         description = "`validation-failed`: what is asked for is not of the form that is described, or the address cannot be called."),
        Refusals, BodyRead,
    ),
)]
pub async fn test(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = read_plain(&headers, body).await?;
    let trial: Trial = if body.trim_ascii().is_empty() { Trial::default() } else { read_json(&body)? };
    let seller = edge.shop.sellers.get(&merchant);
    let url = match (trial.callback_url, seller) {
        (Some(url), Some(seller)) => Some(callback(&edge, seller, &url)?),
        (None, Some(seller)) if seller.callbacks == Callbacks::Always => None,
        (_, _) => {
            let why = "no callback_url is configured for you: name the one that is to be tried";
            return Err(Problem::conflict(why));
        }
    };
    let id = send_test(&edge.shop, &merchant, url).await?;
    Ok((StatusCode::ACCEPTED, tried(&edge, id).await?).into_response())
}

/// The delivery as it is after its next attempt, or after [`super::link_wait::LINK_WAIT`].
async fn tried(edge: &ApiRequest, id: MessageId) -> Result<Json<DeliveryDocument>, Problem> {
    let mut watch = Watch::over(&edge.shop, id.subject);
    loop {
        let stored = edge.shop.store.load(&[message_key(id)]).await?.pop().flatten();
        let stored = stored.ok_or_else(|| Problem::unavailable("the delivery cannot be read"))?;
        let delivery: Delivery = stored.document().map_err(Unavailable::from)?;
        let is_tried = delivery.attempts > 0
            || delivery.last_error.is_some()
            || !matches!(delivery.state, DeliveryState::Pending { .. });
        if is_tried || !watch.goes_on().await {
            return Ok(Json(DeliveryDocument::of(delivery, edge.language)));
        }
    }
}
