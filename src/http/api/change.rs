//! `PATCH /v1/orders/{id}`, `POST /v1/orders/{id}/cancel` and `…/ship`: a site changes an order, calls it off, or hands its
//! goods over.

use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::describe::{BodyRead, Found, Refusals};
use super::fields::{CustomerFields, Item, check_text, read_customer, read_lines, until};
use super::link_wait::linked;
use super::{Caller, PLACING_MAX};
use crate::flows::revise_order::{self as flows, CHANGES_MAX, Refused, Request, Wish, revise};
use crate::http::body::{read_json, read_plain};
use crate::http::number_in;
use crate::http::problem::Problem;
use crate::http::problems;
use crate::http::reply::with_revision;
use crate::http::request::ApiRequest;
use crate::http::work::see_through;
use crate::kernel::json::{some_object, some_objects};
use crate::kernel::text::free_lines;
use crate::kernel::{Money, PartyName, Timestamp};
use crate::orders::Number;
use crate::views::MerchantOrder;
use crate::views::schema::MoneyText;

/// The tag of the order that a change is meant for, if it says so. What is no tag fits no order.
fn meant_tag(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().unwrap_or_default().trim(),
        (Some(_), Some(_)) => return Err(Problem::bad_request("send one If-Match header")),
    };
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Ok((value != "*").then(|| quoted.unwrap_or_default().to_owned()))
}

/// What a site changes; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub(super) struct Change {
    /// All of its lines as they are to be.
    #[serde(default, deserialize_with = "some_objects")]
    #[schema(min_items = 1, max_items = 500)]
    items: Option<Vec<Item>>,
    /// What the site reckons the sum to be: compared, if it is there.
    #[schema(value_type = Option<MoneyText>)]
    total: Option<Money>,
    /// What the payer reads.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$",
        example = "Заказ A-1001"
    )]
    description: Option<String>,
    /// All that is to be known of the payer: what is left out of it is forgotten.
    #[serde(default, deserialize_with = "some_object")]
    customer: Option<CustomerFields>,
    /// Until when it can be paid: in 366 days at most.
    expires_at: Option<Timestamp>,
}

/// Changes an order that is not paid.
///
/// The buyer's address stays the same. Other `items` make another revision, and another payment: the old one is called off
/// before. Another `description`, `customer` or `expires_at` alone leaves the payment as it is, and is told to the payment
/// system if that takes it over; if not, it counts for the next payment of this order. May be repeated.
#[utoipa::path(
    patch, path = "/v1/orders/{id}", operation_id = "changeOrder", tag = "orders",
    request_body(content = Change, example = json!({
        "items": [{"sku": "123456", "name": "Молоко 3,2 %", "quantity": "1", "price": "119.90", "vat": "RUS_VAT10"}],
    })),
    params(
        ("id" = Number, Path, description = "The order's `id`."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the order that the change is meant for."),
    ),
    responses(
        (status = OK, body = MerchantOrder, description = "The order as it is now.", headers(("ETag" = String, description = "It is another after every change."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json", description = "`order-paid`: money has come for it, or is held. `order-closed`: it takes no more changes. `too-many-changes`: it was changed 50 times."),
        (status = PRECONDITION_FAILED, body = Problem, content_type = "application/problem+json", description = "`precondition-failed`: it has changed since you read it."),
        (status = UNPROCESSABLE_ENTITY, body = Problem, content_type = "application/problem+json", description = "`validation-failed`: what is to be changed makes no sense."),
        Refusals, Found, BodyRead,
    ),
)]
pub async fn change(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let place = edge.order_place()?;
    let body = read_plain(&headers, body).await?;
    let change = read_change(read_json(&body)?, edge.shop.clock.now())?;
    let (wish, tag) = (Wish::Change(Box::new(change)), meant_tag(&headers)?);
    revise_order(edge, Wished { merchant, id, wish, tag, body }, place).await
}

fn read_change(change: Change, now: Timestamp) -> Result<flows::Change, Problem> {
    let Change { items, total, description, customer, expires_at } = change;
    if items.is_none() && description.is_none() && customer.is_none() && expires_at.is_none() {
        let why = "nothing is to be changed: send items, description, customer or expires_at";
        return Err(Problem::validation_failed(why));
    }
    check_text("description", description.as_deref().unwrap_or_default(), true)?;
    let customer = customer.map(read_customer).transpose()?;
    let lines = items.map(read_lines).transpose()?;
    let expires_at = expires_at.map(|at| until(at, now)).transpose()?;
    let description = description.map(|text| free_lines(&text));
    Ok(flows::Change { lines, total, description, customer, expires_at })
}

/// Calls an order off that is not paid. Send no body. May be repeated.
#[utoipa::path(
    post, path = "/v1/orders/{id}/cancel", operation_id = "cancelOrder", tag = "orders",
    params(
        ("id" = Number, Path, description = "The order's `id`."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the order that the change is meant for."),
    ),
    responses(
        (status = OK, body = MerchantOrder, description = "The order as it is now.", headers(("ETag" = String, description = "It is another after every change."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json", description = "`order-paid`: money has come for it. `order-closed`: it takes no more changes."),
        (status = PRECONDITION_FAILED, body = Problem, content_type = "application/problem+json", description = "`precondition-failed`: it has changed since you read it."),
        Refusals, Found, BodyRead,
    ),
)]
pub async fn cancel(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    without_words(edge, merchant, id, Wish::Cancel, &headers, body).await
}

/// Says that an order's goods were handed over. Send no body. May be repeated.
///
/// Money that is held is taken, and the payment system is told once, for the receipt of full payment. An order that is not
/// paid can be paid still: at the door, say. It takes no more changes.
#[utoipa::path(
    post, path = "/v1/orders/{id}/ship", operation_id = "shipOrder", tag = "orders",
    params(
        ("id" = Number, Path, description = "The order's `id`."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the order that was handed over."),
    ),
    responses(
        (status = OK, body = MerchantOrder, description = "The order as it is now.", headers(("ETag" = String, description = "It is another after every change."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json", description = "`order-closed`: it was called off."),
        (status = PRECONDITION_FAILED, body = Problem, content_type = "application/problem+json", description = "`precondition-failed`: it has changed since you read it."),
        Refusals, Found, BodyRead,
    ),
)]
pub async fn ship(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    without_words(edge, merchant, id, Wish::Ship, &headers, body).await
}

/// What a wish that needs no words comes to.
async fn without_words(
    edge: ApiRequest,
    merchant: PartyName,
    id: String,
    wish: Wish,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let place = edge.order_place()?;
    let body = read_plain(headers, body).await?;
    if !matches!(body.trim_ascii(), b"" | b"{}") {
        return Err(Problem::bad_request("this request takes no body"));
    }
    let tag = meant_tag(headers)?;
    revise_order(edge, Wished { merchant, id, wish, tag, body }, place).await
}

/// What a site wants of one of its orders.
struct Wished {
    merchant: PartyName,
    /// The order's number, as the path has it.
    id: String,
    wish: Wish,
    tag: Option<String>,
    body: Bytes,
}

async fn revise_order(
    edge: ApiRequest,
    wished: Wished,
    place: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let Wished { merchant, id, wish, tag, body } = wished;
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number = number_in(&id)?.ok_or_else(missing)?;
    // The work goes on if the site hangs up; its repeat finds it done.
    let work = async move {
        let _place = place;
        let request = Request { merchant, number, wish, tag, body };
        Ok::<_, Problem>(match revise(&edge.shop, &request).await? {
            Ok(()) => Ok(linked(&edge.shop, number, edge.language).await?),
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
        Err(Refused::Paid) => {
            Err(problems::paid("money has come for it: pay it back instead of changing it"))
        }
        Err(Refused::PaidBack) => {
            Err(problems::closed("all of its money was paid back: there is nothing to hand over"))
        }
        Err(Refused::Held) => Err(problems::paid(
            "its buyer has agreed and the money is held: the items can be changed, description, customer and expires_at cannot",
        )),
        Err(Refused::Expired) => Err(problems::closed("the time to pay it is over: place another order")),
        Err(Refused::Closed(state)) => Err(problems::closed(format!("it is {state}"))),
        Err(Refused::Tag(now)) => Err(Problem::precondition_failed(format!(
            "it has changed: read it again, and send If-Match: \"{now}\" if the change still makes sense"
        ))),
        Err(Refused::TooManyChanges) => Err(problems::too_many_changes(format!(
            "it has been changed {CHANGES_MAX} times, which is the most: cancel it and place another order"
        ))),
        Err(Refused::BadBill(why)) => Err(Problem::validation_failed(why)),
    }
}
