//! The YooKassa API: payments, captures, refunds and receipts, all under
//! idempotence keys.

mod document;
mod lists;
mod money;
mod payments;
mod receipt_form;

use std::sync::Weak;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::World;
use super::answer::{Answer, Error};
use super::ledger::Dialect;
use super::operations::whole;
use super::trouble::{Call, Trouble};
use tillgate_kernel::Money;

pub use document::{notification, refund_notification};

/// The longest idempotence key, in bytes.
const KEY_BYTES_MAX: usize = 64;

pub fn routes() -> Router<Weak<World>> {
    Router::new()
        .route("/me", get(me))
        .route("/payments", get(lists::list).post(payments::create))
        .route("/payments/{id}", get(payments::read))
        .route("/payments/{id}/capture", post(payments::capture))
        .route("/payments/{id}/cancel", post(payments::cancel))
        .route("/refunds", get(lists::refunds).post(money::refund))
        .route("/receipts", get(lists::receipts).post(money::receipt))
}

fn invalid(why: impl Into<String>, field: &'static str) -> Error {
    Error(StatusCode::BAD_REQUEST, "invalid_request", why.into(), Some(field))
}

fn absent() -> Error {
    Error(
        StatusCode::NOT_FOUND,
        "not_found",
        "Payment doesn't exist or access denied".into(),
        Some("payment_id"),
    )
}

#[derive(Deserialize)]
struct Amount {
    value: String,
    currency: String,
}

impl Amount {
    fn sum(&self) -> Result<Money, Error> {
        let sum = self.value.parse::<Money>().ok().filter(|sum| *sum > Money::ZERO);
        let sum = sum.filter(|_| self.currency == "RUB");
        sum.ok_or_else(|| invalid("Incorrect amount", "amount"))
    }
}

/// Does `work` once per idempotence key. A repeated request gets the first
/// answer.
async fn once<T: serde::de::DeserializeOwned>(
    world: &Weak<World>,
    call: Call,
    headers: &HeaderMap,
    path: &str,
    body: Body,
    work: impl FnOnce(&World, Option<Trouble>, T, &str) -> Answer,
) -> Response {
    let bytes = whole(body).await;
    Dialect::Yookassa
        .answer(world, call, headers, |world, trouble| {
            let key = headers
                .get("idempotence-key")
                .and_then(|key| key.to_str().ok())
                .unwrap_or_default();
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                return Err(invalid("Idempotence key is required", "Idempotence-Key"));
            }
            let asked = format!("{path} {}", String::from_utf8_lossy(&bytes));
            if let Some((known, answer)) = world.ledger().keys.get(key) {
                if *known != asked {
                    return Err(invalid("Idempotence key duplicated", "Idempotence-Key"));
                }
                return Ok(answer.clone());
            }
            let request: T =
                serde_json::from_slice(&bytes).map_err(|why| invalid(why.to_string(), "body"))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let answer = work(world, trouble, request, &text)?;
            world.ledger().keys.insert(key.to_owned(), (asked, answer.clone()));
            Ok(answer)
        })
        .await
}

async fn me(State(world): State<Weak<World>>, headers: HeaderMap) -> Response {
    let work = |world: &World, _| {
        Ok(json!({"account_id": world.setup.merchant_id, "status": "enabled", "test": true}))
    };
    Dialect::Yookassa.answer(&world, Call::Other, &headers, work).await
}
