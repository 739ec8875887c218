//! A person decides about money that came and did not fit, and about what the payment system left undecided.

use axum::Json;
use axum::extract::Path;

use crate::flows::judge_money::{Refused, accept as accept_money, refund as refund_money};
use crate::flows::load_record;
use crate::flows::open_payment::{Wanting, open_payment};
use crate::flows::outside_refund::look_by_hand;
use crate::flows::tend_operation::{settle_by_hand, tell_again};
use crate::flows::tend_payment::drop_by_hand;
use crate::http::problem::Problem;
use crate::http::problems;
use crate::http::request::ApiRequest;
use crate::payments::{NotAPaymentId, NotAnOperationId, OperationId, PaymentId};
use crate::views::{OrderDocument, order_document};

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

async fn order_of(edge: &ApiRequest, id: PaymentId) -> Result<Json<OrderDocument>, Problem> {
    let record = load_record(&edge.shop.store, id.number).await?;
    let frame = edge.frame();
    let document = record.and_then(|record| order_document(frame, &record.order, record.checkout.as_deref()));
    document.map(Json).ok_or_else(|| Problem::not_found(format!("there is no payment {id}")))
}

/// `POST /admin/v1/payments/{id}/accept`: the money counts for the order as it stands now.
pub async fn accept(edge: ApiRequest, Path(id): Path<String>) -> Result<Json<OrderDocument>, Problem> {
    let id = payment_in(&id)?;
    accept_money(&edge.shop, id).await?.map_err(|why| refused(id, why))?;
    tracing::info!(payment = %id, "money was accepted by the operator");
    order_of(&edge, id).await
}

/// `POST /admin/v1/payments/{id}/refund`: all that is left of it goes back.
pub async fn refund(edge: ApiRequest, Path(id): Path<String>) -> Result<Json<OrderDocument>, Problem> {
    let id = payment_in(&id)?;
    let refund = refund_money(&edge.shop, id).await?.map_err(|why| refused(id, why))?;
    tracing::info!(payment = %id, refund = %refund, "a refund was asked for by the operator");
    order_of(&edge, id).await
}

/// `POST /admin/v1/payments/{id}/retry`: why the payment system would not have it is mended. A payment, or a shipment.
pub async fn retry(edge: ApiRequest, Path(id): Path<String>) -> Result<Json<OrderDocument>, Problem> {
    if let Ok(shipment) = id.parse::<OperationId>() {
        if !tell_again(&edge.shop, shipment).await? {
            let why =
                "it is no shipment that was refused; a refund or capture is asked for anew by who wants it";
            return Err(Problem::conflict(format!("{shipment}: {why}")));
        }
        tracing::info!(operation = %shipment, "a shipment is told again by the operator");
        return order_of(&edge, shipment.payment).await;
    }
    let id = payment_in(&id)?;
    if !open_payment(&edge.shop, id.number, Wanting::Operator(id)).await? {
        let why = "it is not the latest of its order, was not refused, or its order cannot be paid any more";
        return Err(Problem::conflict(format!("payment {id}: {why}")));
    }
    tracing::info!(payment = %id, "a payment is asked for again by the operator");
    order_of(&edge, id).await
}

/// `POST /admin/v1/payments/{id}/look`: what was paid back of it over there is looked up now.
pub async fn look(edge: ApiRequest, Path(id): Path<String>) -> Result<Json<OrderDocument>, Problem> {
    let id = payment_in(&id)?;
    if !look_by_hand(&edge.shop, id).await? {
        return Err(Problem::conflict(format!("payment {id}: no money is known to have come by it")));
    }
    order_of(&edge, id).await
}

/// `POST /admin/v1/payments/{id}/drop`: somebody has made sure that a frozen payment can never be paid, or that a frozen
/// refund or capture never will be made.
pub async fn drop_it(edge: ApiRequest, Path(id): Path<String>) -> Result<Json<OrderDocument>, Problem> {
    let Ok(operation) = id.parse::<OperationId>() else {
        let id = payment_in(&id)?;
        if !drop_by_hand(&edge.shop, id).await? {
            return Err(not_frozen(&id.to_string()));
        }
        tracing::info!(payment = %id, "a frozen payment was dropped by the operator");
        return order_of(&edge, id).await;
    };
    settle(&edge, operation, false).await
}

/// `POST /admin/v1/payments/{id}/done`: somebody has seen that a frozen refund or capture was made.
pub async fn done(edge: ApiRequest, Path(id): Path<String>) -> Result<Json<OrderDocument>, Problem> {
    let operation = id.parse().map_err(|why: NotAnOperationId| Problem::bad_parameter(&id, why))?;
    settle(&edge, operation, true).await
}

async fn settle(edge: &ApiRequest, id: OperationId, is_done: bool) -> Result<Json<OrderDocument>, Problem> {
    if !settle_by_hand(&edge.shop, id, is_done).await? {
        return Err(not_frozen(&id.to_string()));
    }
    tracing::info!(operation = %id, is_done, "a frozen operation was settled by the operator");
    order_of(edge, id.payment).await
}

fn not_frozen(id: &str) -> Problem {
    Problem::conflict(format!("{id} is not frozen: only what waits for a person is settled by hand"))
}
