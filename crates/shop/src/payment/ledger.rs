//! The payment's calls of `billing`.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::attempt::{Attempt, Call, Means, Outcome};
use crate::formats::agreement::Reason;
use crate::order_id::OrderId;
use crate::refusal::is_kind;
use crate::roubles::Roubles;
use crate::service_client::{Caller, ServiceClient};
use crate::username::Username;

/// Under which name the ledger knows the payment system.
const SYSTEM: &str = "gateway";

/// Calls the service `billing`.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub billing: ServiceClient,
}

impl Ledger {
    /// Makes a call that is the ledger's. A repeated one changes nothing, and
    /// has the same outcome.
    pub async fn call(
        &self,
        order: OrderId,
        username: Option<&Username>,
        attempt: &Attempt,
        call: &Call,
    ) -> Outcome {
        let Some(operation) = operation_of(call) else { return Outcome::Failed };
        let payment = payment_id(order, attempt.number);
        let mut body = json!({"operation": operation, "paymentId": payment});
        let mut put = |name: &str, value: Value| body[name] = value;
        let amount = json!(Roubles(attempt.amount));
        match call {
            Call::LedgerHold | Call::LedgerReceive => {
                put("orderId", json!(order.to_string()));
                put("username", json!(username.map(Username::as_str)));
                put("amount", amount);
                match (&attempt.means, call) {
                    (Means::Wallet { token, .. }, _) => put("tokenId", json!(token)),
                    (Means::BankCard | Means::Sbp, _) => put("paymentSystem", json!(SYSTEM)),
                }
            }
            Call::LedgerConfirm => put("amount", amount),
            Call::LedgerRepaid { refund } => {
                put("refundId", json!(refund));
                put("amount", amount);
            }
            Call::LedgerReverse | Call::Place | Call::Look | Call::Cancel => {}
            Call::Capture | Call::Refund => {}
        }
        let caller = Caller::default();
        let reply = self.billing.call(Method::POST, "/token/charge", &caller, Some(&body)).await;
        let Ok(reply) = reply else { return Outcome::Failed };
        match reply.status {
            StatusCode::OK => Outcome::Done,
            StatusCode::CONFLICT if is_kind(reply.body(), "not-enough-money") => {
                Outcome::Refused(Reason::NotEnoughMoney)
            }
            status if status.is_client_error() => {
                tracing::error!(
                    order = %order,
                    payment,
                    operation,
                    status = status.as_u16(),
                    detail = reply.body()["detail"].as_str().unwrap_or_default(),
                    "the ledger refuses to move money"
                );
                if *call == Call::LedgerHold {
                    return Outcome::Refused(Reason::PaymentRefused);
                }
                // It must be done: it is tried until the cause is gone.
                Outcome::Failed
            }
            _ => Outcome::Failed,
        }
    }
}

/// How an attempt is called in the ledger and at the gateway.
#[must_use]
pub fn payment_id(order: OrderId, attempt: u32) -> String {
    format!("{order}-{attempt}")
}

const fn operation_of(call: &Call) -> Option<&'static str> {
    match call {
        Call::LedgerHold => Some("HOLD"),
        Call::LedgerReceive => Some("RECEIVE"),
        Call::LedgerConfirm => Some("CONFIRM"),
        Call::LedgerReverse => Some("REVERSE"),
        Call::LedgerRepaid { .. } => Some("REPAID"),
        Call::Place | Call::Look | Call::Cancel | Call::Capture | Call::Refund => None,
    }
}
