//! Format 21: an order was cancelled before it was paid. From `order` to
//! `store` and `delivery`, which give back what they hold for it.

use serde::{Deserialize, Serialize};

use crate::bus::Format;
use crate::order_id::OrderId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCanceled {
    pub order_id: OrderId,
}

impl Format for OrderCanceled {
    const NUMBER: u16 = 21;
}
