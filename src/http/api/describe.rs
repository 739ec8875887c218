//! The OpenAPI document of the merchants' API, built from the handlers.

use std::collections::BTreeMap;

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Server};
use utoipa::{IntoResponses, Modify, OpenApi as _, ToSchema};

use super::ids::{DeliveryId, IdempotencyKey};
use crate::http::problem::Problem;
use crate::views::callback::{Callback, TestCallback};

fn problem(description: &str) -> RefOr<Response> {
    let content = Content::new(Some(Ref::from_schema_name(Problem::name())));
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
        .into()
}

/// Error responses that every request can get.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusals = [
            (
                "400",
                "`bad-request`: the request cannot be read; `detail` names what is wrong with it.",
            ),
            (
                "401",
                "`unauthorized`: your key is missing or wrong; send `Authorization: Bearer \
                <api_key>`.",
            ),
            (
                "429",
                "`too-many-requests`: you have exceeded your rate limit or your quota of today, \
                or too many of your orders wait for the payment system; repeat the request after \
                `Retry-After` seconds.",
            ),
            (
                "503",
                "`unavailable`: the store or the payment system cannot be reached, or the \
                receiver is overloaded; repeat the same request after `Retry-After` seconds.",
            ),
        ];
        refusals.map(|(status, why)| (status.to_owned(), problem(why))).into()
    }
}

/// Additional error responses of a request about one order or delivery.
pub(super) struct Found;

impl IntoResponses for Found {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("404".to_owned(), problem("`not-found`: you have no order or delivery with this id."))]
            .into()
    }
}

/// Additional error responses of a request with a body.
pub(super) struct BodyRead;

impl IntoResponses for BodyRead {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusals = [
            ("408", "`request-timeout`: the body did not arrive in time; repeat the request."),
            ("413", "`too-large`: the body is longer than 1 MiB."),
        ];
        refusals.map(|(status, why)| (status.to_owned(), problem(why))).into()
    }
}

/// Additional error responses of a request with an idempotency key.
pub(super) struct KeyTaken;

impl IntoResponses for KeyTaken {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusals = [
            (
                "400",
                "`bad-request`: the request cannot be read; `detail` names what is wrong with \
                it. `no-idempotency-key`: send exactly one valid header `Idempotency-Key`.",
            ),
            (
                "422",
                "`validation-failed`: the request is invalid; `detail` names the field. \
                `idempotency-key-reused`: the key was used with another body; use a new key for \
                a new request.",
            ),
        ];
        refusals.map(|(status, why)| (status.to_owned(), problem(why))).into()
    }
}

struct MerchantsKey;

impl Modify for MerchantsKey {
    fn modify(&self, document: &mut OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("The `api_key` of the merchant.".into());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("merchant", SecurityScheme::Http(scheme));
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "tillgate: the merchants' API",
        description = "Your site places an order, redirects the buyer to `payment.url`, and \
            receives callbacks about the payment at its `callback_url`. Amounts are decimal \
            strings in roubles, times are RFC 3339. Errors are `application/problem+json` with a \
            stable `type`. Texts for people are in English, or in Russian if `Accept-Language` \
            prefers it. Callbacks follow Standard Webhooks.",
    ),
    security(("merchant" = [])),
    tags(
        (name = "orders",
         description = "Placing, reading, changing, cancelling and shipping orders."),
        (name = "money", description = "Capturing held money, and refunds."),
        (name = "callbacks", description = "Callbacks to your site, and their redelivery."),
    ),
    components(schemas(Problem, DeliveryId, IdempotencyKey, Callback, TestCallback)),
    modifiers(&MerchantsKey),
)]
struct Frame;

/// The document without its paths.
pub(super) fn frame() -> OpenApi {
    let mut frame = Frame::openapi();
    frame.servers = Some(vec![Server::new("/")]);
    frame.webhooks = Some(super::callbacks::webhooks());
    frame
}
