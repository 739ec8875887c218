//! The OpenAPI document of the merchants' API, made of the handlers themselves.

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

/// What every request may be answered.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusals = [
            ("400", "`bad-request`: the request cannot be read."),
            ("401", "`unauthorized`: the merchant's key is missing or wrong."),
            ("429", "`too-many-requests`: more than your share; repeat it after `Retry-After` seconds."),
            ("503", "`unavailable`: repeat the same request after `Retry-After` seconds."),
        ];
        refusals.map(|(status, why)| (status.to_owned(), problem(why))).into()
    }
}

/// What a request about one thing may be answered besides.
pub(super) struct Found;

impl IntoResponses for Found {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [("404".to_owned(), problem("`not-found`: there is no such thing of yours."))].into()
    }
}

/// What a request with a body may be answered besides.
pub(super) struct BodyRead;

impl IntoResponses for BodyRead {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusals = [
            ("408", "`request-timeout`: the body did not come in time."),
            ("413", "`too-large`: the body is longer than 1 MiB."),
        ];
        refusals.map(|(status, why)| (status.to_owned(), problem(why))).into()
    }
}

/// What a request under an idempotency key may be answered besides.
pub(super) struct KeyTaken;

impl IntoResponses for KeyTaken {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusals = [
            (
                "400",
                "`bad-request`: the request cannot be read. `no-idempotency-key`: one header `Idempotency-Key` is needed.",
            ),
            (
                "422",
                "`validation-failed`: what is asked makes no sense. `idempotency-key-reused`: the key was used with another body.",
            ),
        ];
        refusals.map(|(status, why)| (status.to_owned(), problem(why))).into()
    }
}

struct MerchantsKey;

impl Modify for MerchantsKey {
    fn modify(&self, document: &mut OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("The merchant's `api_key`.".into());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("merchant", SecurityScheme::Http(scheme));
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "tillgate: the merchants' API",
        description = "A site places an order, sends its buyer to `payment.url`, and hears of the payment at its \
            `callback_url`. Sums are decimal strings in roubles, times are RFC 3339. Errors are \
            `application/problem+json` with a stable `type`. Texts for people come in English, or in Russian where \
            `Accept-Language` prefers it. Callbacks are Standard Webhooks.",
    ),
    security(("merchant" = [])),
    tags(
        (name = "orders", description = "Placing an order, and what becomes of it."),
        (name = "money", description = "Taking money that is held, and paying back."),
        (name = "callbacks", description = "What your site is told, and telling it again."),
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
