//! A person decides about money that came and did not fit.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::Edge;
use crate::flows::judge_money::{Refused, accept as accept_money, refund as refund_money};
use crate::flows::{load_dossier, order_document};
use crate::http::problem::Problem;
use crate::orders::OrderDocument;
use crate::payments::{NotAPaymentId, PaymentId};

fn payment_in(path: &str) -> Result<PaymentId, Problem> {
    path.parse().map_err(|why: NotAPaymentId| Problem::bad_parameter(path, why))
}

fn refused(id: PaymentId, why: Refused) -> Problem {
    match why {
        Refused::NotFound => Problem::not_found(format!("there is no payment {id}")),
        Refused::NotInReview | Refused::PaidOtherwise(_) | Refused::Cancelled => {
            Problem::conflict(format!("payment {id}: {why}"))
        }
        Refused::NotTakenBack(_) => Problem::not_refundable(format!("payment {id}: {why}")),
    }
}

async fn order_of(edge: &Edge, id: PaymentId) -> Result<Json<OrderDocument>, Problem> {
    let dossier = load_dossier(&edge.shop.store, id.number).await?;
    let document = dossier.and_then(|dossier| {
        order_document(&edge.shop, &dossier.order, dossier.checkout.as_ref().map(|(checkout, _)| checkout))
    });
    document.map(Json).ok_or_else(|| Problem::not_found(format!("there is no payment {id}")))
}

/// `POST /admin/v1/payments/{id}/accept`: the money counts for the order as it stands now.
pub async fn accept(
    State(edge): State<Arc<Edge>>,
    Path(id): Path<String>,
) -> Result<Json<OrderDocument>, Problem> {
    let id = payment_in(&id)?;
    accept_money(&edge.shop, id).await?.map_err(|why| refused(id, why))?;
    tracing::info!(payment = %id, "money was accepted by the operator");
    order_of(&edge, id).await
}

/// `POST /admin/v1/payments/{id}/refund`: all that is left of it goes back.
pub async fn refund(
    State(edge): State<Arc<Edge>>,
    Path(id): Path<String>,
) -> Result<Json<OrderDocument>, Problem> {
    let id = payment_in(&id)?;
    let refund = refund_money(&edge.shop, id).await?.map_err(|why| refused(id, why))?;
    tracing::info!(payment = %id, refund = %refund, "a refund was asked for by the operator");
    order_of(&edge, id).await
}
