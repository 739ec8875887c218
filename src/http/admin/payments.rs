//! Money by hand: what a payment has brought, and what an operator decides
//! about it.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use http::HeaderMap;
use serde::Deserialize;

use crate::flows::advance_operation::{report_again, settle_by_hand};
use crate::flows::advance_payment::drop_by_hand;
use crate::flows::open_payment::{RequestedBy, open_payment};
use crate::flows::outside_refund::look_by_hand;
use crate::flows::review_money::{Refused, accept as accept_money, refund as refund_money};
use crate::flows::{checkout_of, load_record, stored};
use crate::http::body::{read_json, read_plain};
use crate::http::problem::Problem;
use crate::http::problems;
use crate::http::request::ApiRequest;
use crate::http::watch::Watch;
use crate::kernel::Money;
use crate::kernel::text::clean;
use crate::outbox::{Delivery, DeliveryState};
use crate::payments::{
    NotAPaymentId, NotAnOperationId, OperationId, Operator, PaymentId, RemotePaymentStatus,
};
use crate::views::{OrderDocument, PaymentMoney, order_document, payment_money};

/// How long an answer waits for a look-up that was asked for.
const LOOK_WAIT: Duration = Duration::from_secs(10);

/// The longest name or reason of an operator, in characters.
const REMARK_CHARS_MAX: usize = 200;

/// What an operator says of a decision. Every field may be omitted, and so may
/// the body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionBody {
    /// How much to refund; all that is left if it is omitted.
    amount: Option<Money>,
    /// The reason, for the journal, and for the payer of a refund.
    reason: Option<String>,
    /// The operator's name, for the journal.
    by: Option<String>,
}

struct Decision {
    amount: Option<Money>,
    operator: Operator,
}

async fn read_decision(headers: &HeaderMap, body: Body) -> Result<Decision, Problem> {
    let bytes = read_plain(headers, body).await?;
    let body =
        if bytes.trim_ascii().is_empty() { DecisionBody::default() } else { read_json(&bytes)? };
    let remark = |field: &str, text: Option<String>| {
        let text = text.map(|text| clean(&text).trim().to_owned()).filter(|text| !text.is_empty());
        if text.as_deref().is_some_and(|text| text.chars().count() > REMARK_CHARS_MAX) {
            let why = format!("{field}: at most {REMARK_CHARS_MAX} characters");
            return Err(Problem::validation_failed(why));
        }
        Ok(text)
    };
    let operator = Operator { by: remark("by", body.by)?, reason: remark("reason", body.reason)? };
    Ok(Decision { amount: body.amount, operator })
}

fn without_amount(decision: Decision) -> Result<Operator, Problem> {
    match decision.amount {
        None => Ok(decision.operator),
        Some(_) => Err(Problem::validation_failed("amount: only a refund has one")),
    }
}

fn payment_in(path: &str) -> Result<PaymentId, Problem> {
    path.parse().map_err(|why: NotAPaymentId| Problem::bad_parameter(path, why))
}

fn refused(id: PaymentId, why: Refused) -> Problem {
    match why {
        Refused::NotFound => Problem::not_found(format!("there is no payment {id}")),
        Refused::NotInReview | Refused::PaidOtherwise(_) | Refused::Cancelled => {
            Problem::conflict(format!("payment {id}: {why}"))
        }
        Refused::NotPlanned(_) => problems::not_refundable(format!("payment {id}: {why}")),
    }
}

async fn order_of(app: &ApiRequest, id: PaymentId) -> Result<Json<OrderDocument>, Problem> {
    let record = load_record(&app.services.store, id.number).await?;
    let frame = app.frame();
    let document =
        record.and_then(|record| order_document(frame, &record.order, record.checkout.as_deref()));
    document.map(Json).ok_or_else(|| Problem::not_found(format!("there is no payment {id}")))
}

/// `GET /admin/v1/payments/{id}`: the sums of a payment, or of the payment of
/// an operation.
pub async fn show(app: ApiRequest, Path(id): Path<String>) -> Result<Json<PaymentMoney>, Problem> {
    let payment = match id.parse::<OperationId>() {
        Ok(operation) => operation.payment,
        Err(_) => payment_in(&id)?,
    };
    let record = load_record(&app.services.store, payment.number).await?;
    let money = record
        .and_then(|record| payment_money(&record.order, record.checkout.as_deref()?, payment));
    money.map(Json).ok_or_else(|| Problem::not_found(format!("there is no payment {payment}")))
}

/// `POST /admin/v1/payments/{id}/accept`: the money counts for the order in its
/// current state.
pub async fn accept(
    app: ApiRequest,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<OrderDocument>, Problem> {
    let id = payment_in(&id)?;
    let operator = without_amount(read_decision(&headers, body).await?)?;
    look_before_decision(&app, id).await?;
    accept_money(&app.services, id, &operator).await?.map_err(|why| refused(id, why))?;
    tracing::info!(payment = %id, by = operator.by, "an operator accepted money");
    order_of(&app, id).await
}

/// `POST /admin/v1/payments/{id}/refund`: refunds an amount, or all that is
/// left.
pub async fn refund(
    app: ApiRequest,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<OrderDocument>, Problem> {
    let id = payment_in(&id)?;
    let Decision { amount, operator } = read_decision(&headers, body).await?;
    look_before_decision(&app, id).await?;
    let refund = refund_money(&app.services, id, amount, &operator).await?;
    let refund = refund.map_err(|why| refused(id, why))?;
    tracing::info!(
        payment = %id,
        refund = %refund,
        by = operator.by,
        "an operator requested a refund"
    );
    order_of(&app, id).await
}

/// `POST /admin/v1/payments/{id}/retry`: requests a payment again, or reports a
/// shipment again, after the reason for its refusal was fixed.
pub async fn retry(
    app: ApiRequest,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<OrderDocument>, Problem> {
    let operator = without_amount(read_decision(&headers, body).await?)?;
    if let Ok(shipment) = id.parse::<OperationId>() {
        if !report_again(&app.services, shipment, &operator).await? {
            let why = "it is not a refused shipment. A refund or capture is requested again with \
                       tillgate payments refund, or tillgate orders capture";
            return Err(Problem::conflict(format!("{shipment}: {why}")));
        }
        tracing::info!(
            operation = %shipment,
            by = operator.by,
            "an operator reports a shipment again"
        );
        return order_of(&app, shipment.payment).await;
    }
    let id = payment_in(&id)?;
    if !open_payment(&app.services, id.number, RequestedBy::Operator(id, &operator)).await? {
        let why = "it is not the latest payment of its order, was not refused, or its order cannot \
                   be paid any more";
        return Err(Problem::conflict(format!("payment {id}: {why}")));
    }
    tracing::info!(payment = %id, by = operator.by, "an operator requests a payment again");
    order_of(&app, id).await
}

/// `POST /admin/v1/payments/{id}/look`: looks the payment up at the payment
/// system, or the refunds of one that is paid, and waits for the answer.
pub async fn look(app: ApiRequest, Path(id): Path<String>) -> Result<Json<PaymentMoney>, Problem> {
    let payment = payment_in(&id)?;
    if !look_now(&app, payment).await? {
        return Err(Problem::conflict(format!(
            "payment {payment}: the payment system has nothing of it that could change"
        )));
    }
    show(app, Path(id)).await
}

/// Looks a payment up, and waits for the answer. Returns `false` if there is
/// nothing to look up.
async fn look_now(app: &ApiRequest, payment: PaymentId) -> Result<bool, Problem> {
    let mut watch = Watch::over(&app.services, payment.number.partition(), LOOK_WAIT);
    let Some(task) = look_by_hand(&app.services, payment).await? else { return Ok(false) };
    loop {
        let delivery = stored::message(&app.services.store, task).await?;
        let is_answered = delivery.is_none_or(|delivery| is_answered(&delivery));
        if is_answered || !watch.goes_on().await {
            return Ok(true);
        }
    }
}

/// Before a decision about a payment under review: its money may have come
/// since it was last looked up.
async fn look_before_decision(app: &ApiRequest, id: PaymentId) -> Result<(), Problem> {
    let checkout = checkout_of(&app.services, id.number).await?;
    let payment = checkout.as_ref().and_then(|checkout| checkout.payment(id));
    if payment.is_some_and(|it| it.is_under_review() && it.money_under_review().is_none()) {
        look_now(app, id).await?;
    }
    Ok(())
}

/// Whether a task was tried: then it is settled, or waits for its next attempt.
fn is_answered(task: &Delivery) -> bool {
    let is_pending = matches!(task.state, DeliveryState::Pending { .. });
    !is_pending || task.attempts > 0 || task.last_error.is_some()
}

/// `POST /admin/v1/payments/{id}/drop`: an operator has made sure that a
/// payment under review can never be paid, or that an operation never will be
/// made.
pub async fn drop_it(
    app: ApiRequest,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<OrderDocument>, Problem> {
    let operator = without_amount(read_decision(&headers, body).await?)?;
    let Ok(operation) = id.parse::<OperationId>() else {
        let id = payment_in(&id)?;
        look_before_decision(&app, id).await?;
        if !drop_by_hand(&app.services, id, &operator).await? {
            return Err(not_dropped(&app, id).await?);
        }
        tracing::info!(
            payment = %id,
            by = operator.by,
            "an operator dropped a payment under review"
        );
        return order_of(&app, id).await;
    };
    settle(&app, operation, false, &operator).await
}

/// `POST /admin/v1/payments/{id}/done`: an operator has seen that a refund or
/// capture under review was made.
pub async fn done(
    app: ApiRequest,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<OrderDocument>, Problem> {
    let operator = without_amount(read_decision(&headers, body).await?)?;
    let operation = id.parse().map_err(|why: NotAnOperationId| Problem::bad_parameter(&id, why))?;
    settle(&app, operation, true, &operator).await
}

async fn settle(
    app: &ApiRequest,
    id: OperationId,
    is_done: bool,
    operator: &Operator,
) -> Result<Json<OrderDocument>, Problem> {
    if !settle_by_hand(&app.services, id, is_done, operator).await? {
        return Err(not_in_review(&id.to_string()));
    }
    tracing::info!(operation = %id, is_done, by = operator.by, "an operator settled an operation");
    order_of(app, id.payment).await
}

/// Why a payment was not dropped.
async fn not_dropped(app: &ApiRequest, id: PaymentId) -> Result<Problem, Problem> {
    let checkout = checkout_of(&app.services, id.number).await?;
    let payment = checkout.as_ref().and_then(|checkout| checkout.payment(id));
    Ok(match payment.and_then(|payment| payment.money_under_review()) {
        Some(remote) if remote.status == RemotePaymentStatus::Held => Problem::conflict(format!(
            "payment {id}: {} {} is held for it. Release it at the payment system first",
            remote.amount, remote.currency
        )),
        Some(remote) => Problem::conflict(format!(
            "payment {id}: {} {} came for it. Accept or refund it",
            remote.amount, remote.currency
        )),
        None => not_in_review(&id.to_string()),
    })
}

fn not_in_review(id: &str) -> Problem {
    Problem::conflict(format!(
        "{id} does not need review. Only a payment or operation under review is settled by hand"
    ))
}
