//! `PATCH /v1/orders/{id}`, `POST /v1/orders/{id}/cancel` and `…/ship`:
//! changes, cancels or ships an order of a site.

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
use super::fields::{
    CUSTOMER, CustomerFields, ITEM, Item, Lines, add_faults_of_bill, check_expiry, read_customer,
    read_lines, text,
};
use super::link_wait::linked;
use super::place::check_shares;
use super::{Caller, PLACING_MAX};
use crate::flows::revise_order::{
    self as flows, CHANGES_MAX, Refused, Request, RequestedChange, revise,
};
use crate::flows::{OrderRecord, load_record};
use crate::http::body::{read_fields, read_plain};
use crate::http::fields::{Faults, Fields, Shape, is};
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
use crate::payments::{Bill, DESCRIPTION_CHARS_MAX};
use crate::views::MerchantOrder;
use crate::views::schema::MoneyText;

/// The tag in `If-Match`, if there is one. A malformed tag matches no order.
fn expected_tag(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().unwrap_or_default().trim(),
        (Some(_), Some(_)) => return Err(Problem::bad_request("send only one If-Match header")),
    };
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Ok((value != "*").then(|| quoted.unwrap_or_default().to_owned()))
}

/// What to change. Fields that are left out stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub(super) struct Change {
    /// All lines of the order after the change.
    #[serde(default, deserialize_with = "some_objects")]
    #[schema(min_items = 1, max_items = 500)]
    items: Option<Vec<Item>>,
    /// The total that your site has calculated. If it is sent and differs from
    /// the sum of the items, the request fails with `validation-failed`.
    #[schema(value_type = Option<MoneyText>)]
    total: Option<Money>,
    /// The description of the order that the payer sees.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$",
        example = "Заказ A-1001"
    )]
    description: Option<String>,
    /// The payer. It replaces all data of the payer; fields that are left out
    /// are deleted.
    #[serde(default, deserialize_with = "some_object")]
    customer: Option<CustomerFields>,
    /// The time until which the order can be paid, in RFC 3339: in the future,
    /// at most 366 days ahead.
    expires_at: Option<Timestamp>,
}

/// Changes an order that is not paid.
///
/// The `payment.url` for the buyer stays the same. New `items` create a new
/// revision and a new payment; the old payment is cancelled first. A new
/// `description`, `customer` or `expires_at` alone keeps the payment, and
/// updates it at the payment system if the system supports that; otherwise it
/// applies to the next payment of this order. Repeating the request is safe.
#[utoipa::path(
    patch, path = "/v1/orders/{id}", operation_id = "changeOrder", tag = "orders",
    request_body(content = Change, example = json!({
        "items": [{
            "sku": "123456", "name": "Молоко 3,2 %", "quantity": "1",
            "price": "119.90", "vat": "RUS_VAT10",
        }],
    })),
    params(
        ("id" = Number, Path, description = "The `id` of the order, twelve digits."),
        ("If-Match" = Option<String>, Header,
         description = "The `ETag` of the order as you last read it. If the order has changed \
             since, the request fails with `precondition-failed`. Without the header, the order \
             is not compared."),
    ),
    responses(
        (status = OK, body = MerchantOrder,
         description = "The order after the request.",
         headers(("ETag" = String, description = "The tag of the order; it changes with every \
             change of the order's content. Send it in `If-Match`."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json",
         description = "`order-paid`: the order is paid, so refund it instead; or its money is \
             held, and then only `items` can be changed. `order-closed`: the order is cancelled \
             or shipped, or the time to pay it is over. `too-many-changes`: the order has been \
             changed 50 times; cancel it and place another one."),
        (status = PRECONDITION_FAILED, body = Problem, content_type = "application/problem+json",
         description = "`precondition-failed`: the order has changed since you read it. Read it \
             again and decide whether to repeat the request."),
        (status = UNPROCESSABLE_ENTITY, body = Problem, content_type = "application/problem+json",
         description = "`validation-failed`: the change is invalid; `detail` names the field."),
        Refusals, Found, BodyRead,
    ),
)]
pub async fn change(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let place = app.order_place()?;
    let body = read_plain(&headers, body).await?;
    let change = read_change(read_fields(&body, CHANGE)?, app.services.clock.now())?;
    if let Some(profile) = app.services.merchants.get(&merchant)
        && let Err(refused) = check_shares(&app, &merchant, profile).await
        && needs_payment(&app, &merchant, &id, &change).await?
    {
        return Err(refused);
    }
    let (change, tag) = (RequestedChange::Change(Box::new(change)), expected_tag(&headers)?);
    revise_order(app, ChangeRequest { merchant, id, change, tag, body }, place).await
}

/// Whether the order gets another payment by the change. A repeated change does
/// not.
async fn needs_payment(
    app: &ApiRequest,
    merchant: &PartyName,
    id: &str,
    change: &flows::Change,
) -> Result<bool, Problem> {
    let Some(number) = number_in(id)? else { return Ok(false) };
    let record = load_record(&app.services.store, number).await?;
    let own = record.filter(|record| record.order.source == *merchant);
    Ok(own.is_some_and(|OrderRecord { order, checkout }| {
        let revision = order.view().map_or(0, |view| view.revision);
        let bill = checkout.as_ref().and_then(|checkout| checkout.bill_of(revision));
        bill.is_some_and(|bill| flows::changes_lines(bill, change, app.services.clock.now()))
    }))
}

/// The fields of a change.
const CHANGE: Fields = &[
    ("items", Shape::List(ITEM)),
    ("total", Shape::Optional(is::<Money>)),
    ("description", Shape::Optional(|value| text(value, DESCRIPTION_CHARS_MAX, Lines::Many))),
    ("customer", Shape::Object(CUSTOMER)),
    ("expires_at", Shape::Optional(is::<Timestamp>)),
];

fn read_change(change: Change, now: Timestamp) -> Result<flows::Change, Problem> {
    let Change { items, total, description, customer, expires_at } = change;
    if items.is_none() && description.is_none() && customer.is_none() && expires_at.is_none() {
        let why = "nothing is to be changed: send items, description, customer or expires_at";
        return Err(Problem::validation_failed(why));
    }
    let mut faults = Faults::new();
    if let Some(expires_at) = expires_at {
        check_expiry(&mut faults, expires_at, now);
    }
    let description = description.map(|text| free_lines(&text));
    let lines = items.map(|items| read_lines(items, &mut faults));
    if let Some(lines) = lines.as_ref().filter(|_| faults.is_empty()) {
        // The description of the order stays, if none is sent.
        let description = description.as_deref().unwrap_or("the same");
        add_faults_of_bill(&mut faults, Bill::faults(description, lines));
    }
    faults.check()?;
    let customer = customer.map(read_customer);
    Ok(flows::Change { lines, total, description, customer, expires_at })
}

/// Cancels an order that is not paid.
///
/// Send no body. Repeating the request is safe.
#[utoipa::path(
    post, path = "/v1/orders/{id}/cancel", operation_id = "cancelOrder", tag = "orders",
    params(
        ("id" = Number, Path, description = "The `id` of the order, twelve digits."),
        ("If-Match" = Option<String>, Header,
         description = "The `ETag` of the order as you last read it. If the order has changed \
             since, the request fails with `precondition-failed`. Without the header, the order \
             is not compared."),
    ),
    responses(
        (status = OK, body = MerchantOrder,
         description = "The order after the request.",
         headers(("ETag" = String, description = "The tag of the order; it changes with every \
             change of the order's content. Send it in `If-Match`."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json",
         description = "`order-paid`: the order is paid; refund it instead. `order-closed`: the \
             order is shipped or delivered."),
        (status = PRECONDITION_FAILED, body = Problem, content_type = "application/problem+json",
         description = "`precondition-failed`: the order has changed since you read it. Read it \
             again and decide whether to repeat the request."),
        Refusals, Found, BodyRead,
    ),
)]
pub async fn cancel(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    without_words(app, merchant, id, RequestedChange::Cancel, &headers, body).await
}

/// Marks an order as shipped.
///
/// Call it when the goods are handed over. Held money is captured, and the
/// shipment is reported to the payment system once, for the receipt of full
/// payment. An order that is not paid yet can still be paid, for example at the
/// door, but cannot be changed any more. Send no body. Repeating the request is
/// safe.
#[utoipa::path(
    post, path = "/v1/orders/{id}/ship", operation_id = "shipOrder", tag = "orders",
    params(
        ("id" = Number, Path, description = "The `id` of the order, twelve digits."),
        ("If-Match" = Option<String>, Header,
         description = "The `ETag` of the order as you last read it. If the order has changed \
             since, the request fails with `precondition-failed`. Without the header, the order \
             is not compared."),
    ),
    responses(
        (status = OK, body = MerchantOrder,
         description = "The order after the request.",
         headers(("ETag" = String, description = "The tag of the order; it changes with every \
             change of the order's content. Send it in `If-Match`."))),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json",
         description = "`order-closed`: the order is cancelled, or all of its money has been \
             refunded."),
        (status = PRECONDITION_FAILED, body = Problem, content_type = "application/problem+json",
         description = "`precondition-failed`: the order has changed since you read it. Read it \
             again and decide whether to repeat the request."),
        Refusals, Found, BodyRead,
    ),
)]
pub async fn ship(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    without_words(app, merchant, id, RequestedChange::Ship, &headers, body).await
}

/// Handles a request that has no body.
async fn without_words(
    app: ApiRequest,
    merchant: PartyName,
    id: String,
    change: RequestedChange,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let place = app.order_place()?;
    let body = read_plain(headers, body).await?;
    if !matches!(body.trim_ascii(), b"" | b"{}") {
        return Err(Problem::bad_request("send this request without a body"));
    }
    let tag = expected_tag(headers)?;
    revise_order(app, ChangeRequest { merchant, id, change, tag, body }, place).await
}

/// A request to change one of the orders of a site.
struct ChangeRequest {
    merchant: PartyName,
    /// The number of the order, as in the path.
    id: String,
    change: RequestedChange,
    tag: Option<String>,
    body: Bytes,
}

async fn revise_order(
    app: ApiRequest,
    wished: ChangeRequest,
    place: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let ChangeRequest { merchant, id, change, tag, body } = wished;
    let missing = || Problem::not_found(format!("there is no order {id} of yours"));
    let number = number_in(&id)?.ok_or_else(missing)?;
    // If the site closes the connection, the work continues, and a repeated
    // request finds it done.
    let work = async move {
        let _place = place;
        let request = Request { merchant, number, change, tag, body };
        Ok::<_, Problem>(match revise(&app.services, &request).await? {
            Ok(()) => Ok(linked(&app.services, number, app.language).await?),
            Err(refused) => Err(refused),
        })
    };
    let outcome = see_through(Box::pin(work), PLACING_MAX).await.map_err(|unfinished| {
        tracing::error!(
            error = %unfinished,
            "it is not known whether an order was changed; its site was asked to repeat the request"
        );
        Problem::unavailable("it is not known whether the order was changed; repeat the request")
    })??;
    match outcome {
        Ok(shown) => Ok(with_revision(shown)),
        Err(Refused::NotFound) => Err(missing()),
        Err(Refused::Paid) => {
            Err(problems::paid("the order is paid: refund it instead of changing it"))
        }
        Err(Refused::PaidBack) => Err(problems::closed(
            "all money of the order has been refunded: there is nothing to ship",
        )),
        Err(Refused::Held) => Err(problems::paid(
            "the buyer has paid and the money is held: only items can be changed, not \
            description, customer or expires_at",
        )),
        Err(Refused::Expired) => {
            Err(problems::closed("the time to pay the order is over: place another order"))
        }
        Err(Refused::Closed(state)) => Err(problems::closed(format!("the order is {state}"))),
        Err(Refused::Tag(now)) => Err(Problem::precondition_failed(format!(
            "the order has changed: read it again, and send If-Match: \"{now}\" if you still \
            want the change"
        ))),
        Err(Refused::TooManyChanges) => Err(problems::too_many_changes(format!(
            "the order has been changed {CHANGES_MAX} times, which is the limit: cancel it and \
            place another order"
        ))),
        Err(Refused::BadBill(why)) => Err(Problem::validation_failed(why)),
    }
}
