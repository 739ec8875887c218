//! `GET /v1/payment-methods`: what payers can pay with.

use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::Caller;
use super::describe::Refusals;
use crate::http::problem::Problem;
use crate::http::request::ApiRequest;
use crate::payments::PaymentMethod;

/// What an order can ask its payer to pay with.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentMethods {
    /// The values of `payment_method.type` that your payment system takes. If
    /// there are none, the payer chooses on the payment page.
    pub items: Vec<MethodItem>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct MethodItem {
    #[serde(rename = "type")]
    pub kind: PaymentMethod,
}

/// Lists what an order can ask its payer to pay with.
#[utoipa::path(
    get, path = "/v1/payment-methods", operation_id = "listPaymentMethods", tag = "orders",
    responses(
        (status = OK, body = PaymentMethods, description = "What orders can ask for; nothing if the payer chooses."),
        (status = FORBIDDEN, body = Problem, content_type = "application/problem+json",
         description = "`not-configured`: no payment system is configured for you; ask the \
             operator."),
        Refusals,
    ),
)]
pub async fn list(
    app: ApiRequest,
    Extension(Caller(merchant)): Extension<Caller>,
) -> Result<Json<PaymentMethods>, Problem> {
    let profile = app.services.merchants.get(&merchant).ok_or_else(|| {
        Problem::not_configured(
            "no payment system is configured for this merchant: ask the operator",
        )
    })?;
    let item = |kind: &PaymentMethod| MethodItem { kind: *kind };
    Ok(Json(PaymentMethods { items: profile.terms.methods.iter().map(item).collect() }))
}
