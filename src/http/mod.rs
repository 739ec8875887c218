//! The HTTP interface: connections, routes and the meaning of status codes.
//!
//! - [`server`] drives connections with hyper, so that tillgate sets every
//!   limit itself;
//! - `entrance` takes hooks past the routes;
//! - [`hooks`] receives the hooks of sources;
//! - [`notifications`] receives the notifications of payment systems;
//! - [`api`] is the API for merchants' sites;
//! - [`embed`] is the pay button for pages of other sites;
//! - [`docs`] serves the OpenAPI document;
//! - [`buyer`] sends buyers to the payment page and takes them back;
//! - [`admin`] is the API for the operator and the command line;
//! - [`ops`] serves health, readiness and metrics to other programs;
//! - `mount` adds routes of other parts of the program;
//! - [`problem`] is the only place that maps errors to status codes;
//! - [`body`], `request`, `reply` and `page` hold what handlers share;
//! - `app_state` holds the state that handlers share.

pub mod admin;
pub mod api;
mod app_state;
pub mod buyer;
pub mod docs;
pub mod embed;
mod entrance;
pub mod hooks;
mod live;
mod mount;
pub mod notifications;
pub mod ops;
mod outbox_count;
mod problems;
mod reply;
mod request;
mod shop;
mod slip;
mod watch;

use std::sync::Arc;

pub use app_state::{
    AppState, HOOKS_AT_ONCE_MAX, NOTIFICATIONS_AT_ONCE_MAX, ORDERS_AT_ONCE_MAX, Refusals,
    SenderKind, Shop, SourceEndpoint,
};
use axum::Router;
use axum::routing::{get, post};
pub use entrance::Entrance;
use entrance::routed;
pub use live::LivePages;
pub use mount::{Mount, Mounts};
pub use outbox_count::OutboxCount;
use request::number_in;
use tillgate_web::{REQUEST_ID, forwarded, log, page, work};
pub use tillgate_web::{body, fields, problem, readiness::Readiness, server};

/// All routes, for a single listener.
pub fn routes(app: Arc<AppState>, mounts: Mounts) -> Entrance {
    let all = public(&app, mounts.public)
        .merge(operator(&app, mounts.operator))
        .route("/readyz", get(ops::readyz));
    Entrance::of(all, app)
}

/// The public routes, for the case that the operator's routes have a listener
/// of their own.
pub fn public_routes(app: Arc<AppState>, mounts: Vec<Mount>) -> Entrance {
    Entrance::of(public(&app, mounts).route("/readyz", get(ops::readyz_bare)), app)
}

/// Routes of another part of the program, for a listener of their own.
pub fn other_routes(app: Arc<AppState>, mounts: Vec<Mount>) -> Router {
    let all = mount::all(mounts)
        .route("/assets/docs.css", get(docs::style))
        .route("/readyz", get(ops::readyz_bare))
        .route("/healthz", get(ops::healthz));
    routed(all, app)
}

/// The operator's routes, for a listener of their own.
pub fn operator_routes(app: Arc<AppState>, mounts: Vec<Mount>) -> Router {
    let all = operator(&app, mounts)
        .route("/readyz", get(ops::readyz))
        .route("/healthz", get(ops::healthz));
    routed(all, app)
}

fn operator(app: &Arc<AppState>, mounts: Vec<Mount>) -> Router<Arc<AppState>> {
    Router::new()
        .route("/metrics", get(ops::metrics_page))
        .nest("/admin/v1", admin::routes(app, mounts))
}

fn public(app: &Arc<AppState>, mounts: Vec<Mount>) -> Router<Arc<AppState>> {
    let (merchants, _) = api::routes(app).split_for_parts();
    mount::all(mounts)
        .route("/hooks/{name}", post(hooks::receive_routed))
        .route("/hooks/{name}/", post(hooks::receive_routed))
        .route("/healthz", get(ops::healthz))
        .merge(merchants)
        .route("/openapi.json", get(docs::document))
        .route("/docs", get(docs::page))
        .route("/assets/docs.css", get(docs::style))
        .route("/pay/{token}", get(buyer::pay).post(buyer::open))
        .route("/embed.js", get(embed::script))
        .route("/pay/{token}/status", get(embed::status))
        .route("/pay/{token}/qr.svg", get(slip::code))
        .route("/pay/{token}/slip", get(slip::slip))
        .route("/return/{token}", get(buyer::back))
        .route("/return/{token}/events", get(buyer::events))
        .route("/assets/buyer.css", get(buyer::style))
        .route("/assets/logo/{merchant}", get(shop::logo))
        .route("/assets/buyer.js", get(buyer::script))
}
