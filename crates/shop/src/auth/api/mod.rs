//! The HTTP contract of the service.
//!
//! - `asked` is a request, with what the handlers need of it;
//! - `answers` are the bodies of answers;
//! - `visitors`, `clients` and `operator` are the handlers, by who may call
//!   them.

mod answers;
mod asked;
mod clients;
mod operator;
mod visitors;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post, put};

use super::Auth;

/// The routes of the service, without a prefix.
pub fn routes(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/login", post(visitors::login))
        .route("/register", post(visitors::register))
        .route("/logout", get(visitors::logout).post(visitors::logout))
        .route("/verify", post(visitors::verify))
        .route("/reset", post(visitors::ask_reset))
        .route("/reset/confirm", post(visitors::reset))
        .route("/auth", get(clients::check))
        .route("/me", get(clients::own_data).patch(clients::correct))
        .route("/password", post(clients::change_password))
        .route("/verify/send", post(clients::send_verification))
        .route("/verify/phone", post(clients::verify_phone))
        .route("/verify/phone/send", post(clients::send_phone_code))
        .route("/me/sessions", get(clients::sessions))
        .route("/me/sessions/{id}", delete(clients::end_session))
        .with_state(auth)
}

/// The routes for the operator, who has been authenticated.
pub fn routes_for_operator(auth: Arc<Auth>) -> Router {
    Router::new()
        .route("/staff", get(operator::staff))
        .route("/staff/{username}/{role}", put(operator::give_role).delete(operator::take_role))
        .with_state(auth)
}
