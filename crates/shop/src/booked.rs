//! What is booked for an order, for services other than `delivery`.

use http::{Method, StatusCode};
use serde::Deserialize;
use tillgate_kernel::{Money, Timestamp};

use crate::Refusal;
use crate::order_id::OrderId;
use crate::roubles::Roubles;
use crate::service_client::{Caller, ServiceClient};

/// The status of a booking that is held, in the contract of deliveries.
const PRELIMINARY: &str = "PRELIMINARY";

/// What is booked for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    pub cost: Money,
    pub version: u64,
    /// Until when it is held; `None` if it is not.
    pub until: Option<Timestamp>,
}

/// Asks the service `delivery`.
#[derive(Debug, Clone)]
pub struct Bookings {
    pub delivery: ServiceClient,
}

#[derive(Deserialize)]
struct Case {
    status: String,
    version: u64,
    until: Option<Timestamp>,
    cost: Roubles,
}

impl Bookings {
    /// What is booked for an order. `None` if nothing was.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub async fn of(&self, order: OrderId) -> Result<Option<Booked>, Refusal> {
        let path = format!("/case?orderId={order}");
        let reply = self.delivery.call(Method::GET, &path, &Caller::default(), None).await?;
        match reply.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(Refusal::Unavailable),
        }
        let Case { status, version, until, cost: Roubles(cost) } = reply.read()?;
        let until = until.filter(|_| status == PRELIMINARY);
        Ok(Some(Booked { cost, version, until }))
    }
}
