//! The merchants' API, under `/v1`: what a merchant's site may ask for.
//!
//! - [`orders`]: how orders stand;
//! - [`place`]: a new order;
//! - [`change`]: other lines, no order any more, or goods that were handed over;
//! - [`money`]: money that is held is taken, or money goes back;
//! - [`deliveries`]: what its site was told;
//! - [`callbacks`]: the document of what it is told;
//! - [`fields`]: what an order's fields may hold;
//! - [`keyed`]: requests under an idempotency key;
//! - [`link_wait`]: waiting a moment for a link;
//! - [`caller`]: who calls, and how often;
//! - [`describe`]: the document of all this.

mod callbacks;
mod caller;
mod change;
mod deliveries;
mod describe;
mod fields;
mod ids;
mod keyed;
mod link_wait;
mod money;
mod orders;
mod pace;
mod place;

use std::sync::Arc;
use std::time::Duration;

use axum::middleware;
pub use caller::Caller;
pub use pace::{MerchantDoor, Pace};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Edge;

/// The routes, and the document of them.
pub fn routes(edge: &Arc<Edge>) -> OpenApiRouter<Arc<Edge>> {
    described().route_layer(middleware::from_fn_with_state(Arc::clone(edge), caller::admit))
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Arc<Edge>> {
    OpenApiRouter::with_openapi(describe::frame())
        .routes(routes!(orders::list, place::create))
        .routes(routes!(orders::show, change::change))
        .routes(routes!(change::cancel))
        .routes(routes!(change::ship))
        .routes(routes!(money::capture))
        .routes(routes!(money::list, money::refund))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::test))
        .routes(routes!(deliveries::show))
        .routes(routes!(deliveries::redeliver))
}

/// How long placing an order may take in all: reading it, three commits, and the wait for its link.
const PLACING_MAX: Duration = Duration::from_secs(8);
