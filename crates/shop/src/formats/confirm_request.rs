//! Format 8: take for good what an order needs, or give it back. From
//! `orchestra` to `store`, `delivery` and `payment`.

use serde::{Deserialize, Serialize};
use tillgate_kernel::Money;

use super::agreement::{Confirmator, OrderItem, RequestType};
use crate::bus::Format;
use crate::order_id::OrderId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmRequest {
    pub order_id: OrderId,
    pub request_type: RequestType,
    pub confirmator: Confirmator,
    pub version: u64,
    /// Grows with each request to this confirmator, also with a repeated one.
    pub attempt: u32,
    /// Nothing in a REVERSE.
    pub order_items: Vec<OrderItem>,
    /// With the delivery.
    pub total: Money,
    /// The client withdraws an order that was agreed on: it may be refused.
    #[serde(default)]
    pub withdrawal: bool,
}

impl Format for ConfirmRequest {
    const NUMBER: u16 = 8;
}
