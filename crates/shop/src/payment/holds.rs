//! What is held for an order outlives its payment: it is lengthened before a
//! payment begins, and without it none does.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;

use crate::Refusal;
use crate::order_id::OrderId;
use crate::order_problem::OrderProblem;
use crate::refusal::is_kind;
use crate::service_client::{Caller, ServiceClient};

/// Asks `store` and `delivery`.
#[derive(Debug, Clone)]
pub struct Holds {
    pub store: ServiceClient,
    pub delivery: ServiceClient,
}

impl Holds {
    /// Lengthens what is held for an order at a version.
    ///
    /// # Errors
    /// When goods or a courier's time are not held any more.
    pub async fn extend(
        &self,
        order: OrderId,
        version: u64,
        held_for: Duration,
    ) -> Result<(), Refusal> {
        let body = json!({"orderId": order.to_string(), "version": version,
            "seconds": held_for.as_secs()});
        let caller = Caller::default();
        for service in [&self.store, &self.delivery] {
            let reply = service.call(Method::POST, "/extend", &caller, Some(&body));
            // To ask again does no harm.
            let reply = reply.await.map_err(|_| Refusal::Unavailable)?;
            match reply.status {
                StatusCode::OK => {}
                StatusCode::CONFLICT if is_kind(reply.body(), "hold-expired") => {
                    return Err(Refusal::Order(OrderProblem::HoldExpired));
                }
                _ => return Err(Refusal::Unavailable),
            }
        }
        Ok(())
    }
}
