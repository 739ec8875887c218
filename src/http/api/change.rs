//! `PATCH /v1/orders/{id}`, `POST /v1/orders/{id}/cancel` and `…/ship`: a site changes an order, calls it off, or hands its
//! goods over.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::describe::{BodyRead, Refusals};
use super::{
    Caller, Edge, Found, Item, MerchantOrder, PLACING_MAX, Problem, linked, read_json, read_lines,
    take_place, with_revision,
};
use crate::flows::revise_order::{Refused, Request, Wish, revise};
use crate::http::hooks::read_body;
use crate::http::work::see_through;
use crate::kernel::json::objects;
use crate::kernel::{Money, Number, SourceName};

/// The revision that a change is meant for, if it says so. A tag that is none of ours fits no revision.
fn meant_revision(headers: &HeaderMap) -> Option<u32> {
    let value = headers.get(header::IF_MATCH)?.to_str().unwrap_or_default().trim();
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let revision = |quoted: &str| quoted.parse().ok().filter(|revision: &u32| revision.to_string() == quoted);
    (value != "*").then(|| quoted.and_then(revision).unwrap_or(0))
}

/// What a site changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// All of its lines as they are to be.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<Item>,
    /// What the site reckons the sum to be: compared, if it is there.
    total: Option<Money>,
}

/// Changes the lines of an order that is not paid.
///
/// The buyer's address stays the same; the old payment is called off before there is another. May be repeated.
#[utoipa::path(
    patch, path = "/v1/orders/{id}", tag = "orders",
    request_body(content = Change, example = json!({
        "items": [{"sku": "123456", "name": "Молоко 3,2 %", "quantity": "1", "price": "119.90", "vat": "RUS_VAT10"}],
    })),
    params(
        ("id" = Number, Path, description = "The order's `id`."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the order that the change is meant for."),
    ),
    responses(
        (status = OK, body = MerchantOrder, description = "The order as it is now.", headers(("ETag" = String, description = "Its revision."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json", description = "`order-paid`: money has come for it. `order-closed`: it takes no more changes."),
        (status = PRECONDITION_FAILED, body = Problem, content_type = "application/problem+json", description = "`other-revision`: it has changed since you read it."),
        (status = UNPROCESSABLE_ENTITY, body = Problem, content_type = "application/problem+json", description = "`unusable-order`: the lines make no sense."),
        Refusals, Found, BodyRead,
    ),
)]
pub async fn change(
    State(edge): State<Arc<Edge>>,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let place = take_place(&edge)?;
    let (body, is_whole) = read_body(body).await?;
    if !is_whole {
        return Err(Problem::too_large("a change may have 1 MiB"));
    }
    let Change { items, total } = read_json(&body)?;
    let wish = Wish::Lines(read_lines(items)?, total);
    revised(edge, (merchant, id), (wish, meant_revision(&headers), body), place).await
}

/// Calls an order off that is not paid. Send no body. May be repeated.
#[utoipa::path(
    post, path = "/v1/orders/{id}/cancel", tag = "orders",
    params(
        ("id" = Number, Path, description = "The order's `id`."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the order that the change is meant for."),
    ),
    responses(
        (status = OK, body = MerchantOrder, description = "The order as it is now.", headers(("ETag" = String, description = "Its revision."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json", description = "`order-paid`: money has come for it. `order-closed`: it takes no more changes."),
        (status = PRECONDITION_FAILED, body = Problem, content_type = "application/problem+json", description = "`other-revision`: it has changed since you read it."),
        Refusals, Found, BodyRead,
    ),
)]
pub async fn cancel(
    State(edge): State<Arc<Edge>>,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    wished(edge, (merchant, id), (Wish::Cancel, &headers, body)).await
}

/// Says that an order's goods were handed over. Send no body. May be repeated.
///
/// Money that is held is taken, and the payment system is told once, for the receipt of full payment. An order that is not
/// paid can be paid still: at the door, say. It takes no more changes.
#[utoipa::path(
    post, path = "/v1/orders/{id}/ship", tag = "orders",
    params(
        ("id" = Number, Path, description = "The order's `id`."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the order that was handed over."),
    ),
    responses(
        (status = OK, body = MerchantOrder, description = "The order as it is now.", headers(("ETag" = String, description = "Its revision."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json", description = "`order-closed`: it was called off."),
        (status = PRECONDITION_FAILED, body = Problem, content_type = "application/problem+json", description = "`other-revision`: it has changed since you read it."),
        Refusals, Found, BodyRead,
    ),
)]
pub async fn ship(
    State(edge): State<Arc<Edge>>,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    wished(edge, (merchant, id), (Wish::Ship, &headers, body)).await
}

/// What a wish that needs no words comes to.
async fn wished(
    edge: Arc<Edge>,
    order: (SourceName, String),
    (wish, headers, body): (Wish, &HeaderMap, Body),
) -> Result<Response, Problem> {
    let place = take_place(&edge)?;
    let (body, _) = read_body(body).await?;
    if !matches!(body.trim_ascii(), b"" | b"{}") {
        return Err(Problem::bad_request("this has nothing to say: send no body"));
    }
    revised(edge, order, (wish, meant_revision(headers), body), place).await
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
