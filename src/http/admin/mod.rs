//! The admin API, under `/admin/v1`, for the operator's console and the command
//! line.

mod fulfilment;
mod hooks;
mod orders;
mod outbox;
mod payments;
mod stock;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, header};

use super::problem::Problem;
use super::request::bearer;
use super::{AppState, log};
use super::{Mount, api, mount};

/// The routes. Each requires the admin token.
pub fn routes(app: &Arc<AppState>, mounts: Vec<Mount>) -> Router<Arc<AppState>> {
    mount::all(mounts)
        .route("/orders", get(orders::list))
        .route("/orders/{number}", get(orders::show))
        .route("/orders/{number}/journal", get(orders::journal))
        .route("/orders/{number}/seen", post(orders::seen))
        .route("/orders/{number}/tell", post(fulfilment::send_update))
        .route("/hooks", get(hooks::list))
        .route("/hooks/{id}", get(hooks::show))
        .route("/hooks/{id}/replay", post(hooks::replay))
        .route("/payments/{id}", get(payments::show))
        .route("/payments/{id}/accept", post(payments::accept))
        .route("/payments/{id}/refund", post(payments::refund))
        .route("/payments/{id}/look", post(payments::look))
        .route("/payments/{id}/retry", post(payments::retry))
        .route("/payments/{id}/drop", post(payments::drop_it))
        .route("/payments/{id}/done", post(payments::done))
        .route("/outbox", get(outbox::list))
        .route("/outbox/{id}/retry", post(outbox::retry))
        .route("/outbox/{id}/drop", post(outbox::drop_message))
        .nest("/as-merchant", api::routes_for_operator())
        .route("/stock", get(stock::list).put(stock::set))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), require_token))
}

async fn require_token(State(app): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let Some(tokens) = &app.admin else {
        let detail = "the admin API is off: set admin_token in tillgate.toml";
        return Problem::not_configured(detail).into_response();
    };
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let bearer = match (values.next(), values.next()) {
        (Some(value), None) => bearer(value),
        (_, _) => None,
    };
    if bearer.is_some_and(|token| tokens.accept(token)) {
        let mut response = log::whole(None, request, next).await;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    } else {
        app.refuse_log_in("admin", request.headers());
        Problem::unauthorized("send the admin token: Authorization: Bearer <admin_token>")
            .into_response()
    }
}
