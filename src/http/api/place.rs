//! `POST /v1/orders`: a site places an order.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::describe::{BodyRead, KeyTaken, Refusals};
use super::fields::{CustomerFields, Item, check_text, check_visible, read_customer, read_lines, until};
use super::ids::IdempotencyKey;
use super::keyed::{idempotency_key, taken_before};
use super::link_wait::linked;
use super::{Caller, PLACING_MAX};
use crate::dedup::Answer;
use crate::dedup::key::Asked;
use crate::flows::place_order::{Keyed, Placed, Placement, Taken, answer_key, known_key, place, take_key};
use crate::flows::{Callbacks, Seller};
use crate::http::Edge;
use crate::http::body::{read_json, read_plain};
use crate::http::problem::Problem;
use crate::http::problems;
use crate::http::reply::tagged;
use crate::http::request::ApiRequest;
use crate::http::work::see_through;
use crate::kernel::Currency;
use crate::kernel::json::{object, objects};
use crate::kernel::text::free_lines;
use crate::kernel::time::later;
use crate::kernel::{ExternalId, Money, PartyName, Timestamp};
use crate::payments::{Bill, Ways};
use crate::peer::Url;
use crate::views::MerchantOrder;
use crate::views::schema::{ExternalIdText, MoneyText};

/// How long an order can be paid when the merchant does not say.
const EXPIRES_DAYS_DEFAULT: u64 = 3;

/// The longest address of a merchant's page, in bytes.
const URL_BYTES_MAX: usize = 1000;

/// An order as a site asks for it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    #[schema(value_type = ExternalIdText)]
    merchant_order_id: String,
    /// What the payer reads; "Заказ" and your number if it is left out.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$",
        example = "Заказ A-1001"
    )]
    description: Option<String>,
    #[serde(default, deserialize_with = "object")]
    customer: CustomerFields,
    /// Only RUB is taken, in any case, and RUR for it.
    #[serde(default = "currency_default")]
    #[schema(pattern = "^[Rr][Uu][BbRr]$", example = "RUB")]
    currency: String,
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<Item>,
    /// What the site reckons the sum to be: compared, if it is there.
    #[schema(value_type = Option<MoneyText>)]
    total: Option<Money>,
    /// Where the buyer goes after paying.
    #[schema(pattern = "^https?://[a-z0-9-]", max_length = 1000, example = "https://shop.example/ok")]
    success_url: Option<String>,
    /// Where the buyer goes after failing to pay.
    #[schema(pattern = "^https?://[a-z0-9-]", max_length = 1000, example = "https://shop.example/fail")]
    fail_url: Option<String>,
    /// Where the buyer goes to turn back.
    #[schema(pattern = "^https?://[a-z0-9-]", max_length = 1000, example = "https://shop.example/cart")]
    return_url: Option<String>,
    /// Where your site hears of this order, if not where it hears of all: https, and on the public internet. Callbacks are
    /// signed, so a `callback_secret` must be configured for you.
    #[schema(pattern = "^https?://[a-z0-9-]", max_length = 1000, example = "https://shop.example/tillgate")]
    callback_url: Option<String>,
    /// Until when it can be paid: in three days if it is left out, in 366 at most.
    expires_at: Option<Timestamp>,
}

fn currency_default() -> String {
    Currency::Rub.code().into()
}

/// Places an order and gives it a payment link.
///
/// The same `Idempotency-Key` with the same body gets the same answer, byte for byte. The link may still be under way
/// when the answer comes (`payment.state` is `requested`): its address works all the same.
#[utoipa::path(
    post, path = "/v1/orders", operation_id = "createOrder", tag = "orders",
    request_body(content = NewOrder, example = json!({
        "merchant_order_id": "A-1001",
        "customer": {"name": "Анна", "email": "anna@example.org"},
        "items": [{"sku": "123456", "name": "Молоко 3,2 %", "quantity": "2", "price": "129.90", "vat": "RUS_VAT10"}],
        "success_url": "https://shop.example/ok", "fail_url": "https://shop.example/fail",
    })),
    params(("Idempotency-Key" = IdempotencyKey, Header, description = "The key under which the request is repeated as itself.")),
    responses(
        (status = CREATED, body = MerchantOrder, description = "The order, with the link where its buyer pays.",
         headers(("ETag" = String, description = "It is another after every change."), ("Idempotent-Replayed" = Option<bool>, description = "`true` when the request was answered before."))),
        (status = FORBIDDEN, body = Problem, content_type = "application/problem+json", description = "`not-configured`: no payment system is configured for you."),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json", description = "`order-exists`: another order of yours has this number. `request-in-progress`: the first request under this key is not done."),
        Refusals, BodyRead, KeyTaken,
    ),
)]
pub async fn create(
    edge: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let again = "send it again with the same Idempotency-Key";
    let place = match edge.order_place() {
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

async fn place_order(
    edge: &ApiRequest,
    merchant: PartyName,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let seller = edge.shop.sellers.get(&merchant);
    let seller =
        seller.ok_or_else(|| Problem::not_configured("this merchant has no payment system configured"))?;
    let key = idempotency_key(headers)?;
    let bytes = read_plain(headers, body).await?;
    // Before the body is looked at: what was right when it came first may have expired since.
    if let Some(known) = known_key(&edge.shop, &merchant, Asked::Order, &key, &bytes).await? {
        return taken_before(known);
    }
    let placement = read_placement(edge, seller, merchant, bytes)?;
    let keyed = Keyed {
        merchant: &placement.merchant,
        asked: Asked::Order,
        external_id: Some(&placement.merchant_order_id),
        key: &key,
        body: &placement.body,
    };
    let id = match take_key(&edge.shop, keyed).await? {
        Taken::Ours(id) => id,
        known @ (Taken::Answered(_) | Taken::OtherRequest | Taken::UnderWay) => return taken_before(known),
    };
    let (number, given) = match place(&edge.shop, seller, &placement).await? {
        Placed::Stands(number) => {
            let shown = linked(&edge.shop, number, edge.language).await?;
            let body = serde_json::to_string(&shown).unwrap_or_default();
            (number, Answer { status: 201, content_type: "application/json".into(), body })
        }
        Placed::NumberTaken(number) => {
            let detail = format!(
                "merchant_order_id {}: you have placed another order under it, {number}; read it with GET /v1/orders/{number}",
                placement.merchant_order_id
            );
            (number, problems::order_exists(detail).into())
        }
    };
    let given = answer_key(&edge.shop, id, Some(number), given).await?;
    Ok(tagged(given))
}

fn read_placement(
    edge: &Edge,
    seller: &Seller,
    merchant: PartyName,
    body: Bytes,
) -> Result<Placement, Problem> {
    let unusable = |why: String| Problem::validation_failed(why);
    let order: NewOrder = read_json(&body)?;
    let merchant_order_id = ExternalId::parse(&order.merchant_order_id);
    let merchant_order_id = merchant_order_id.ok_or_else(|| {
        unusable("merchant_order_id: from 1 to 255 bytes without control characters".into())
    })?;
    check_visible("merchant_order_id", merchant_order_id.as_str())?;
    if Currency::read(&order.currency).is_none() {
        return Err(unusable(format!("currency: {:?} is not taken, only {}", order.currency, Currency::Rub)));
    }
    let now = edge.shop.clock.now();
    let by_default = || later(now, Duration::from_secs(EXPIRES_DAYS_DEFAULT * 24 * 3600));
    let expires_at = until(order.expires_at.unwrap_or_else(by_default), now)?;
    let lines = read_lines(order.items)?;
    let customer = read_customer(order.customer)?;
    check_text("description", order.description.as_deref().unwrap_or_default(), true)?;
    let description = order.description.map(|text| free_lines(&text));
    let description = description.unwrap_or_else(|| format!("Заказ {merchant_order_id}"));
    let bill = Bill::over(description, lines, customer, expires_at);
    let bill = bill.map_err(|why| unusable(why.to_string()))?;
    seller.terms.admit(&bill).map_err(|why| unusable(why.to_string()))?;
    bill.agrees(order.total).map_err(|why| unusable(why.to_string()))?;
    let ways = Ways {
        success: page("success_url", order.success_url)?,
        fail: page("fail_url", order.fail_url)?,
        back: page("return_url", order.return_url)?,
        callback: order.callback_url.map(|url| callback(edge, seller, &url)).transpose()?,
    };
    Ok(Placement { merchant, merchant_order_id, bill, ways, body })
}

/// An address that we may call. A name in it is looked up when it is called.
pub(super) fn callback(edge: &Edge, seller: &Seller, url: &str) -> Result<String, Problem> {
    let unusable = |why: String| Problem::validation_failed(format!("callback_url: {why}"));
    if seller.callbacks == Callbacks::None {
        let why = "callbacks are signed, and no callback_secret is configured for you; the gateway's operator can give you one";
        return Err(unusable(why.into()));
    }
    edge.guard.admit(url).map(Into::into).map_err(|why| unusable(why.to_string()))
}

/// An address that a buyer's browser may be sent to.
fn page(name: &str, url: Option<String>) -> Result<Option<String>, Problem> {
    let Some(url) = url else { return Ok(None) };
    let parsed = Url::parse(&url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    let usable = parsed.filter(|parsed| parsed.host_str().is_some() && url.len() <= URL_BYTES_MAX);
    match usable {
        Some(parsed) => Ok(Some(parsed.into())),
        None => Err(Problem::validation_failed(format!(
            "{name}: an address such as https://shop.example/page, of at most {URL_BYTES_MAX} bytes"
        ))),
    }
}
