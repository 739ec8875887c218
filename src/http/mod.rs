//! The edge: connections, routes, and what statuses mean.
//!
//! - [`server`] drives connections with hyper, so that every limit is ours;
//! - [`hooks`] takes the senders' hooks;
//! - [`notices`] takes payment systems' notifications;
//! - [`api`] serves merchants' sites;
//! - [`embed`] is the pay button on other sites' pages;
//! - [`docs`] serves the API's document and its reference page;
//! - [`buyer`] shows buyers to the payment page and back;
//! - [`admin`] serves the operator and the command line;
//! - [`ops`] serves machines: health, readiness, figures;
//! - [`problem`] is the only place that knows which trouble is which status;
//! - [`body`], `request`, `reply` and `page` are what handlers share: reading a body and the rest of a request, answers, lists;
//! - `edge` is what they are given; `readiness` is what the last look at the store has shown.

pub mod admin;
pub mod api;
pub mod buyer;
pub mod docs;
mod edge;
pub mod embed;
pub mod hooks;
mod live;
pub mod notices;
pub mod ops;
mod problems;
mod reply;
mod request;
pub mod slip;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
pub use edge::{Edge, HOOKS_AT_ONCE_MAX, NOTICES_AT_ONCE_MAX, ORDERS_AT_ONCE_MAX, Refusals, SourceEndpoint};
use http::{HeaderValue, header};
pub use live::LivePages;
use request::number_in;
use tillgate_web::{REQUEST_ID, forwarded, log, page, work};
pub use tillgate_web::{body, problem, readiness::Readiness, server};

/// All routes, for one listener.
pub fn routes(edge: Arc<Edge>) -> Router {
    let all = public(&edge).merge(operator(&edge)).route("/readyz", get(ops::readyz));
    finished(all, edge)
}

/// The routes that the world may see, where the operator's have a listener of their own.
pub fn public_routes(edge: Arc<Edge>) -> Router {
    finished(public(&edge).route("/readyz", get(ops::readyz_bare)), edge)
}

/// The operator's routes, where they have a listener of their own.
pub fn operator_routes(edge: Arc<Edge>) -> Router {
    let all = operator(&edge).route("/readyz", get(ops::readyz)).route("/healthz", get(ops::healthz));
    finished(all, edge)
}

fn operator(edge: &Arc<Edge>) -> Router<Arc<Edge>> {
    Router::new().route("/metrics", get(ops::figures)).nest("/admin/v1", admin::routes(edge))
}

fn public(edge: &Arc<Edge>) -> Router<Arc<Edge>> {
    let (merchants, _) = api::routes(edge).split_for_parts();
    Router::new()
        .route("/hooks/{name}", post(hooks::receive))
        .route("/hooks/{name}/", post(hooks::receive))
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
        .route("/assets/buyer.js", get(buyer::script))
}

fn finished(routes: Router<Arc<Edge>>, edge: Arc<Edge>) -> Router {
    routes
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::no_such_page)
        .layer(middleware::from_fn_with_state(Arc::clone(&edge), bear_request_id))
        .with_state(edge)
}

async fn bear_request_id(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let id = edge.request_ids.of(request.headers().get(REQUEST_ID));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    if edge.draining.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
