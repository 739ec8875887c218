//! The API for merchants' sites, under `/v1`.
//!
//! - [`orders`]: reads orders;
//! - [`place`]: places an order;
//! - [`change`]: changes, cancels or ships an order;
//! - [`money`]: captures held money and makes refunds;
//! - [`deliveries`]: lists, repeats and tests callbacks;
//! - [`callbacks`]: describes callbacks in the OpenAPI document;
//! - [`fields`]: validates the fields of an order;
//! - [`keyed`]: handles idempotency keys;
//! - [`link_wait`]: waits a short time for a payment link;
//! - [`caller`]: authenticates the caller and applies its rate limit;
//! - [`describe`]: builds the OpenAPI document.

mod callbacks;
mod caller;
mod change;
mod deliveries;
mod describe;
mod fields;
mod ids;
mod keyed;
mod link_wait;
mod methods;
mod money;
mod orders;
mod place;
mod rate_limit;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
pub use caller::Caller;
pub use rate_limit::{MerchantAccess, RateLimit};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;

/// The routes, with their OpenAPI document.
pub fn routes(app: &Arc<AppState>) -> OpenApiRouter<Arc<AppState>> {
    described().route_layer(middleware::from_fn_with_state(Arc::clone(app), caller::admit))
}

/// The same routes for the operator, who names the merchant in a header. They
/// are for a router that has verified the admin token.
pub fn routes_for_operator() -> Router<Arc<AppState>> {
    let (router, _) = described().split_for_parts();
    router.route_layer(middleware::from_fn(caller::act_for))
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::with_openapi(describe::frame())
        .routes(routes!(orders::list, place::create))
        .routes(routes!(orders::show, change::change))
        .routes(routes!(change::cancel))
        .routes(routes!(change::ship))
        .routes(routes!(money::capture))
        .routes(routes!(money::list, money::refund))
        .routes(routes!(methods::list))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::test))
        .routes(routes!(deliveries::show))
        .routes(routes!(deliveries::redeliver))
}

/// The longest time that placing an order may take: reading the request, three
/// commits, and waiting for the link.
const PLACING_MAX: Duration = Duration::from_secs(8);
