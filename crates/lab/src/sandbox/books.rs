//! The ledger over HTTP, and actions in the cabinet.

use super::trouble::{Call, Trouble, Troubles};
use super::{World, cabinet};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use std::sync::Weak;
use tillgate_kernel::Money;

/// `GET /sandbox/refunds`: lists refunds and shipments.
pub async fn show_done(State(world): State<Weak<World>>) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let done = world.ledger().done().to_vec();
    Json(done).into_response()
}

/// The final status of pending refunds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Completed,
    Canceled,
}

/// `POST /sandbox/refunds`: ends pending refunds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    status: End,
}

pub async fn settle(
    State(world): State<Weak<World>>,
    Json(Ending { status }): Json<Ending>,
) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    cabinet::settle(
        &world,
        match status {
            End::Completed => "completed",
            End::Canceled => "canceled",
        },
    );
    StatusCode::NO_CONTENT.into_response()
}

/// `POST /sandbox/cabinet-refunds`: refunds money as a person does in the
/// cabinet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CabinetRefund {
    order: String,
    amount: Money,
}

pub async fn refund_in_cabinet(
    State(world): State<Weak<World>>,
    Json(CabinetRefund { order, amount }): Json<CabinetRefund>,
) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let is_made = cabinet::refund_in_cabinet(&world, &order, amount);
    if is_made { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response()
}

/// `GET /sandbox/ledger`: lists orders.
pub async fn show(State(world): State<Weak<World>>) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let entries = world.ledger().entries().to_vec();
    Json(entries).into_response()
}

/// `POST /sandbox/troubles`: makes calls fail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The kind of call; not needed to remove all.
    on: Option<Call>,
    /// For the next calls, one trouble per call.
    #[serde(default)]
    next: Vec<Trouble>,
    /// For every call from now on.
    always: Option<Trouble>,
    /// Removes all earlier troubles first.
    #[serde(default)]
    clear: bool,
}

pub async fn set_troubles(
    State(world): State<Weak<World>>,
    Json(wanted): Json<Wanted>,
) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let mut troubles = world.troubles();
    if wanted.clear {
        *troubles = Troubles::default();
    }
    match wanted.on {
        Some(call) => {
            troubles.next(call, wanted.next);
            if wanted.always.is_some() {
                troubles.always(call, wanted.always);
            }
        }
        None if wanted.clear && wanted.next.is_empty() && wanted.always.is_none() => {}
        None => {
            let why =
                "name the kind of call in \"on\": create, update, operate, other or notification";
            return (StatusCode::UNPROCESSABLE_ENTITY, why).into_response();
        }
    }
    StatusCode::NO_CONTENT.into_response()
}
