//! `POST /v1/orders`: places an order of a site.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::describe::{BodyRead, KeyTaken, Refusals};
use super::fields::{
    CUSTOMER, CustomerFields, ITEM, Item, Lines, add_faults_of_bill, check_expiry, identifier,
    page, read_customer, read_lines, text, word,
};
use super::ids::IdempotencyKey;
use super::keyed::{idempotency_key, taken_before};
use super::link_wait::linked;
use super::{Caller, PLACING_MAX};
use crate::dedup::Answer;
use crate::dedup::key::KeyedRequest;
use crate::flows::place_order::{
    Keyed, Placed, Placement, Taken, answer_key, known_key, place, take_key,
};
use crate::flows::quotas::seconds_left;
use crate::flows::{Callbacks, PaymentProfile, backlog, find_record};
use crate::http::AppState;
use crate::http::body::{read_fields, read_plain};
use crate::http::fields::{Faults, Fields, Shape, is};
use crate::http::problem::Problem;
use crate::http::problems;
use crate::http::reply::tagged;
use crate::http::request::ApiRequest;
use crate::http::work::see_through;
use crate::kernel::Currency;
use crate::kernel::json::{object, objects, some_object};
use crate::kernel::text::free_lines;
use crate::kernel::time::later;
use crate::kernel::{ExternalId, Money, PartyName, Timestamp};
use crate::payments::{
    Bill, DESCRIPTION_CHARS_MAX, PaymentMethod, PaymentMode, PaymentWishes, SiteUrls,
};
use crate::peer::Url;
use crate::views::MerchantOrder;
use crate::views::schema::{ExternalIdText, MoneyText};

/// How long an order can be paid unless the site says otherwise, in days.
const EXPIRES_DAYS_DEFAULT: u64 = 3;

/// A new order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    #[schema(value_type = ExternalIdText)]
    merchant_order_id: String,
    /// The description of the order that the payer sees, from 1 to 1000
    /// characters; by default `Заказ` and your order number.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$",
        example = "Заказ A-1001"
    )]
    description: Option<String>,
    #[serde(default, deserialize_with = "object")]
    customer: CustomerFields,
    /// The currency: only `RUB` is accepted, in any case; `RUR` means the same.
    #[serde(default = "currency_default")]
    #[schema(pattern = "^[Rr][Uu][BbRr]$", example = "RUB")]
    currency: String,
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<Item>,
    /// The total that your site has calculated. If it is sent and differs from
    /// the sum of the items, the request fails with `validation-failed`.
    #[schema(value_type = Option<MoneyText>)]
    total: Option<Money>,
    /// The address of your page for a buyer who has paid: http or https, at
    /// most 1000 bytes.
    #[schema(
        pattern = "^https?://[a-z0-9-]",
        max_length = 1000,
        example = "https://shop.example/ok"
    )]
    success_url: Option<String>,
    /// The address of your page for a buyer whose payment has failed: http or
    /// https, at most 1000 bytes.
    #[schema(
        pattern = "^https?://[a-z0-9-]",
        max_length = 1000,
        example = "https://shop.example/fail"
    )]
    fail_url: Option<String>,
    /// The address of your page for a buyer who leaves the payment page without
    /// paying: http or https, at most 1000 bytes.
    #[schema(
        pattern = "^https?://[a-z0-9-]",
        max_length = 1000,
        example = "https://shop.example/cart"
    )]
    return_url: Option<String>,
    /// The address for callbacks about this order, instead of your configured
    /// one: https, on the public internet. Callbacks are signed, so a
    /// `callback_secret` must be configured for you.
    #[schema(
        pattern = "^https?://[a-z0-9-]",
        max_length = 1000,
        example = "https://shop.example/tillgate"
    )]
    callback_url: Option<String>,
    /// The time until which the order can be paid, in RFC 3339: in the future,
    /// at most 366 days ahead; three days by default.
    expires_at: Option<Timestamp>,
    /// What the payer pays with. Without it the payer chooses. If the payment
    /// system cannot be asked for it, the request fails with
    /// `validation-failed`; `GET /v1/payment-methods` lists what it can.
    #[serde(default, deserialize_with = "some_object")]
    payment_method: Option<WantedMethod>,
    /// How the fiscal receipt classifies the payment (tag 1214):
    /// `full_prepayment`, `prepayment`, `advance` or `full_payment`. Without
    /// it, as the operator has configured. An advance has the rate that is
    /// computed from the total, such as `RUS_VAT22_ADDED`.
    payment_mode: Option<PaymentMode>,
}

/// What the payer pays with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedMethod)]
struct WantedMethod {
    /// `bank_card`, or `sbp`: the faster payments system.
    #[serde(rename = "type")]
    kind: PaymentMethod,
}

const METHOD: Fields = &[("type", Shape::Required(word::<PaymentMethod>))];

/// The fields of an order as a site sends it.
const ORDER: Fields = &[
    ("merchant_order_id", Shape::Required(|value| identifier(value, 255))),
    ("description", Shape::Optional(|value| text(value, DESCRIPTION_CHARS_MAX, Lines::Many))),
    ("customer", Shape::Object(CUSTOMER)),
    ("currency", Shape::Optional(is::<String>)),
    ("items", Shape::RequiredList(ITEM)),
    ("total", Shape::Optional(is::<Money>)),
    ("success_url", Shape::Optional(page)),
    ("fail_url", Shape::Optional(page)),
    ("return_url", Shape::Optional(page)),
    ("callback_url", Shape::Optional(is::<String>)),
    ("expires_at", Shape::Optional(is::<Timestamp>)),
    ("payment_method", Shape::Object(METHOD)),
    ("payment_mode", Shape::Optional(word::<PaymentMode>)),
];

fn currency_default() -> String {
    Currency::Rub.code().into()
}

/// Places an order and creates its payment link.
///
/// Repeating the request with the same `Idempotency-Key` and the same body
/// returns the same answer, byte for byte. The answer may come before the
/// payment system has created the link; then `payment.state` is `requested`.
/// You can send the buyer to `payment.url` all the same.
#[utoipa::path(
    post, path = "/v1/orders", operation_id = "createOrder", tag = "orders",
    request_body(content = NewOrder, example = json!({
        "merchant_order_id": "A-1001",
        "customer": {"name": "Анна", "email": "anna@example.org"},
        "items": [{
            "sku": "123456", "name": "Молоко 3,2 %", "quantity": "2",
            "price": "129.90", "vat": "RUS_VAT10",
        }],
        "success_url": "https://shop.example/ok", "fail_url": "https://shop.example/fail",
    })),
    params(("Idempotency-Key" = IdempotencyKey, Header,
     description = "The key that identifies this request and its repeats.")),
    responses(
        (status = CREATED, body = MerchantOrder,
         description = "The order, with the address where its buyer pays in `payment.url`.",
         headers(("ETag" = String, description = "The tag of the order; it changes with every \
             change of the order's content. Send it in `If-Match`."),
          ("Idempotent-Replayed" = Option<bool>,
           description = "`true` if this is the stored answer to an earlier request with the \
               same key."))),
        (status = FORBIDDEN, body = Problem, content_type = "application/problem+json",
         description = "`not-configured`: no payment system is configured for you; ask the \
             operator."),
        (status = CONFLICT, body = Problem, content_type = "application/problem+json",
         description = "`order-exists`: you have placed a different order with this \
             `merchant_order_id`. `request-in-progress`: the first request with this key is \
             still being processed; repeat it after `Retry-After` seconds."),
        Refusals, BodyRead, KeyTaken,
    ),
)]
pub async fn create(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let again = "repeat the request with the same Idempotency-Key";
    let place = match app.order_place() {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    // If the site closes the connection, the work continues: it is done once,
    // and a repeated request finds it.
    let work = async move {
        let placed = place_order(&app, merchant, &headers, body).await;
        drop(place);
        placed
    };
    match see_through(Box::pin(work), PLACING_MAX).await {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.into_response(),
        Err(unfinished) => {
            tracing::error!(
                error = %unfinished,
                "an order was not placed in time; its site was asked to repeat the request"
            );
            Problem::unavailable(format!("the order could not be placed; {again}")).into_response()
        }
    }
}

async fn place_order(
    app: &ApiRequest,
    merchant: PartyName,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let profile = app.services.merchants.get(&merchant);
    let profile = profile.ok_or_else(|| {
        Problem::not_configured(
            "no payment system is configured for this merchant: ask the operator",
        )
    })?;
    let key = idempotency_key(headers)?;
    let bytes = read_plain(headers, body).await?;
    // This comes before the body is validated: a body that was valid at first
    // may have expired since.
    if let Some(known) =
        known_key(&app.services, &merchant, KeyedRequest::Order, &key, &bytes).await?
    {
        return taken_before(known);
    }
    let placement = read_placement(app, profile, merchant, bytes)?;
    if let Err(refused) = check_shares(app, &placement.merchant, profile).await {
        // A repeat of an order that exists needs no share.
        let (merchant, id) = (&placement.merchant, &placement.merchant_order_id);
        if find_record(&app.services, merchant, id).await?.is_none() {
            return Err(refused);
        }
    }
    let keyed = Keyed {
        merchant: &placement.merchant,
        asked: KeyedRequest::Order,
        external_id: Some(&placement.merchant_order_id),
        key: &key,
        body: &placement.body,
    };
    let id = match take_key(&app.services, keyed).await? {
        Taken::Ours(id) => id,
        known @ (Taken::Answered(_) | Taken::OtherRequest | Taken::UnderWay) => {
            return taken_before(known);
        }
    };
    let (number, given) = match place(&app.services, profile, &placement).await? {
        Placed::Known(number) => {
            let shown = linked(&app.services, number, app.language).await?;
            let body = serde_json::to_string(&shown).unwrap_or_default();
            (number, Answer { status: 201, content_type: "application/json".into(), body })
        }
        Placed::NumberTaken(number) => {
            let detail = format!(
                "merchant_order_id {}: you have placed a different order with it, {number}; read \
                it with GET /v1/orders/{number}",
                placement.merchant_order_id
            );
            (number, problems::order_exists(detail).into())
        }
    };
    let given = answer_key(&app.services, id, Some(number), given).await?;
    Ok(tagged(given))
}

/// Refuses a request that needs a new payment, if the merchant's share of the
/// calls to its payment system is used up, or its quota of today.
pub(super) async fn check_shares(
    app: &AppState,
    merchant: &PartyName,
    profile: &PaymentProfile,
) -> Result<(), Problem> {
    let now = app.services.clock.now();
    if app.services.quotas.is_used_up(merchant, now) {
        return Err(problems::quota_used_up(seconds_left(now)));
    }
    if backlog::is_full(&app.services, merchant, profile).await? {
        return Err(problems::backlog_full(profile.waiting_max.unwrap_or_default()));
    }
    Ok(())
}

fn read_placement(
    app: &AppState,
    profile: &PaymentProfile,
    merchant: PartyName,
    body: Bytes,
) -> Result<Placement, Problem> {
    let order: NewOrder = read_fields(&body, ORDER)?;
    let mut faults = Faults::new();
    let now = app.services.clock.now();
    let by_default = || later(now, Duration::from_secs(EXPIRES_DAYS_DEFAULT * 24 * 3600));
    let expires_at = order.expires_at.unwrap_or_else(by_default);
    check_expiry(&mut faults, expires_at, now);
    let description = order.description.map(|text| free_lines(&text));
    let description = description.unwrap_or_else(|| format!("Заказ {}", order.merchant_order_id));
    let lines = read_lines(order.items, &mut faults);
    if faults.is_empty() {
        add_faults_of_bill(&mut faults, Bill::faults(&description, &lines));
    }
    let callback_url = order.callback_url.as_deref().map(|url| callback(app, profile, url));
    if let Some(Err(why)) = &callback_url {
        faults.add("/callback_url", why);
    }
    let merchant_order_id = ExternalId::parse(&order.merchant_order_id);
    if merchant_order_id.is_none() {
        faults.add("/merchant_order_id", "must not be empty or have control characters");
    }
    if Currency::read(&order.currency).is_none() {
        faults.add("/currency", format!("must be {}", Currency::Rub));
    }
    faults.check()?;
    let unusable = |why: String| Problem::validation_failed(why);
    let bill = Bill::over(description, lines, read_customer(order.customer), expires_at);
    let mut bill = bill.map_err(|why| unusable(why.to_string()))?;
    let method = order.payment_method.map(|wanted| wanted.kind);
    bill.wishes = PaymentWishes { method, mode: order.payment_mode };
    profile.terms.admit(&bill).map_err(|why| unusable(why.to_string()))?;
    bill.agrees(order.total).map_err(|why| unusable(why.to_string()))?;
    let normal = |url: Option<String>| url.and_then(|url| Url::parse(&url).ok()).map(Into::into);
    let urls = SiteUrls {
        success: normal(order.success_url),
        fail: normal(order.fail_url),
        back: normal(order.return_url),
        callback: callback_url.and_then(Result::ok),
    };
    let missing = || unusable("merchant_order_id: must not be empty".into());
    let merchant_order_id = merchant_order_id.ok_or_else(missing)?;
    Ok(Placement { merchant, merchant_order_id, bill, urls, body })
}

/// Validates a callback address. The name in it is resolved only when it is
/// called. The error says what it must be.
pub(super) fn callback(
    app: &AppState,
    profile: &PaymentProfile,
    url: &str,
) -> Result<String, String> {
    if profile.callbacks == Callbacks::None {
        let why = "callbacks are signed, but no callback_secret is configured for you; ask the \
            operator for one";
        return Err(why.into());
    }
    app.guard.admit(url).map(Into::into).map_err(|why| why.to_string())
}
