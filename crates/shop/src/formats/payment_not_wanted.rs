//! Format 22: money has come for an order that cannot take it any more. From
//! `order` to `payment`, which gives it back.

use serde::{Deserialize, Serialize};

use crate::bus::Format;
use crate::order_id::OrderId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentNotWanted {
    pub order_id: OrderId,
    /// The number of the attempt to pay.
    pub attempt: u32,
}

impl Format for PaymentNotWanted {
    const NUMBER: u16 = 22;
}
