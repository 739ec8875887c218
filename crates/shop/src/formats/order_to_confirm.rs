//! Format 6: an order is to be agreed on, or a completed one is withdrawn. From
//! `order` to `orchestra`.

use serde::{Deserialize, Serialize};
use tillgate_kernel::Money;

use super::agreement::{OrderItem, RequestType};
use crate::bus::Format;
use crate::order_id::OrderId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderToConfirm {
    pub order_id: OrderId,
    /// REVERSE withdraws an order that was agreed on.
    #[serde(default)]
    pub request_type: RequestType,
    pub version: u64,
    #[serde(alias = "username")]
    pub user_name: String,
    pub order_items: Vec<OrderItem>,
    /// With the delivery.
    pub total: Money,
    pub delivery_cost: Money,
}

impl Format for OrderToConfirm {
    const NUMBER: u16 = 6;
}
