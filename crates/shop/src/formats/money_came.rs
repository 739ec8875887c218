//! Format 12: money for an order was taken, so that the order goes on. From
//! `payment` to `order`.

use serde::{Deserialize, Serialize};
use tillgate_kernel::Money;

use crate::bus::Format;
use crate::order_id::OrderId;

/// What has become of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MoneyState {
    Taken,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoneyCame {
    pub order_id: OrderId,
    /// The version that was paid for.
    pub version: u64,
    pub payment_id: String,
    /// Its number among the attempts to pay for the order.
    pub attempt: u32,
    pub state: MoneyState,
    pub amount: Money,
    /// What of it is for the delivery.
    pub delivery_cost: Money,
}

impl Format for MoneyCame {
    const NUMBER: u16 = 12;
}
