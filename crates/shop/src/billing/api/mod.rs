//! The HTTP contract of the service.
//!
//! - `callers` is who calls;
//! - `accounts` are the handlers for services and clients, `operator` those for
//!   the operator.

mod accounts;
mod callers;
mod operator;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::Billing;

/// The routes of the service, without a prefix.
pub fn routes(billing: Arc<Billing>) -> Router {
    Router::new()
        .route("/token/get", get(accounts::tokens))
        .route("/token/charge", post(accounts::charge))
        .route("/token/create", post(accounts::create))
        .route("/trxn/get", post(accounts::statement))
        .with_state(billing)
}

/// The routes for the operator, who has been authenticated.
pub fn routes_for_operator(billing: Arc<Billing>) -> Router {
    Router::new()
        .route("/wallets/{username}/credits", post(operator::credit))
        .route("/ledger/transfers", get(operator::transfers))
        .route("/ledger/balances", get(operator::balances).post(operator::balances_of))
        .with_state(billing)
}
