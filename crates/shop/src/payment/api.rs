//! The HTTP contract of the service.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use tillgate_kernel::Timestamp;

use super::Payment;
use super::audit::PAGE;
use super::notice::NOTICE_BYTES_MAX;
use super::pay::{Pay, Shown};
use super::tokens::Tokens;
use crate::Refusal;
use crate::asked::{ForClients, Served};
use crate::assertion::Assertions;
use crate::form::Fault;
use crate::order_id::OrderId;
use crate::payment_problem::PaymentProblem;
use crate::sessions::Sessions;

/// The longest `Idempotency-Key`, in bytes.
pub const KEY_BYTES_MAX: usize = 255;

impl Served for Payment {
    const NAME: &'static str = "payment";

    fn public_url(&self) -> &str {
        &self.settings.public_url
    }

    fn assertions(&self) -> &Assertions {
        &self.assertions
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl ForClients for Payment {
    fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

type Asked = crate::asked::Asked<Payment>;

/// The routes of the service, without a prefix.
pub fn routes(payment: Arc<Payment>) -> Router {
    Router::new()
        .route("/tokens/get", get(tokens))
        .route("/pay", get(show).post(pay))
        .route("/notice", post(notice))
        .with_state(payment)
}

/// The routes for the operator, who has been authenticated.
pub fn routes_for_operator(payment: Arc<Payment>) -> Router {
    Router::new()
        .route("/payment/owed", get(owed))
        .route("/payment/receipts/missing", get(without_receipt))
        .route("/payment/orders/{order}", get(payments_of))
        .with_state(payment)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    cursor: Option<String>,
}

/// `GET /payment/owed`
async fn owed(query: Result<Query<After>, QueryRejection>, asked: Asked) -> Response {
    let outcome = async {
        let Query(After { cursor }) =
            query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
        let read =
            |text: String| text.parse().map_err(|_| Refusal::of_field("cursor", Fault::NotACursor));
        asked.service.owed(cursor.map(read).transpose()?).await
    };
    let outcome = outcome.await;
    asked.personal(outcome)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /payment/receipts/missing`
async fn without_receipt(query: Result<Query<Part>, QueryRejection>, asked: Asked) -> Response {
    let outcome = async {
        let Query(Part { cursor, limit }) =
            query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
        let read =
            |text: String| text.parse().map_err(|_| Refusal::of_field("cursor", Fault::NotACursor));
        let (after, limit) = (cursor.map(read).transpose()?, limit.unwrap_or(PAGE));
        asked.service.without_receipt(after, limit).await
    };
    let outcome = outcome.await;
    asked.personal(outcome)
}

/// `GET /payment/orders/{order}`
async fn payments_of(Path(order): Path<String>, asked: Asked) -> Response {
    let outcome = async {
        let order = OrderId::parse(&order).ok_or(Refusal::NotFound)?;
        asked.service.payments_of(order).await?.ok_or(Refusal::NotFound)
    };
    let outcome = outcome.await;
    asked.personal(outcome)
}

/// `GET /tokens/get`
async fn tokens(mut asked: Asked) -> Response {
    let outcome = tokens_of(&mut asked).await;
    asked.personal(outcome)
}

async fn tokens_of(asked: &mut Asked) -> Result<Tokens, Refusal> {
    let username = asked.client().await?;
    let person = asked.person();
    asked.service.tokens(&username, &person).await
}

/// `POST /pay`
async fn pay(mut asked: Asked) -> Response {
    let outcome = paid(&mut asked).await;
    asked.personal(outcome)
}

async fn paid(asked: &mut Asked) -> Result<Shown, Refusal> {
    let username = asked.client().await?;
    let person = asked.person();
    let key = asked.text("idempotency-key").map(|key| key.trim().to_owned());
    let pay = asked.change(Pay::read).await?;
    let is_key = |key: &String| {
        (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let key = key.filter(is_key).ok_or(Refusal::Payment(PaymentProblem::NoKey))?;
    asked.service.pay(&person, &username, &key, &pay).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Named {
    payment_id: Option<String>,
    order_id: Option<String>,
}

/// `GET /pay`
async fn show(query: Result<Query<Named>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = found(query, &mut asked).await;
    asked.personal(outcome)
}

async fn found(
    query: Result<Query<Named>, QueryRejection>,
    asked: &mut Asked,
) -> Result<Shown, Refusal> {
    let person = asked.person();
    let Query(Named { payment_id, order_id }) =
        query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
    let payment = &asked.service;
    match (payment_id, order_id) {
        (Some(id), None) => {
            let (order, number) = id.rsplit_once('-').ok_or(Refusal::NotFound)?;
            let number = number.parse().map_err(|_| Refusal::NotFound)?;
            let order = payment.orders.id_of(&person, order).await?;
            payment.shown(order, number).await
        }
        (None, Some(order)) => {
            let order = payment.orders.id_of(&person, &order).await?;
            payment.latest(order).await
        }
        _ => {
            asked.client().await?;
            Err(Refusal::of_field("paymentId", Fault::Missing))
        }
    }
}

/// `POST /notice`
async fn notice(mut asked: Asked) -> Response {
    let outcome = noticed(&mut asked).await;
    asked.done(outcome)
}

async fn noticed(asked: &mut Asked) -> Result<(), Refusal> {
    let body = asked.bytes(NOTICE_BYTES_MAX).await?;
    asked.service.take_notice(&asked.headers, &body).await
}
