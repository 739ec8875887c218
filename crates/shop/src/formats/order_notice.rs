//! Format 2: an order was agreed on, or not. From `orchestra` to
//! `notification`.

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Money, Timestamp};

use super::agreement::{Reason, Response, ShortItem};
use crate::bus::Format;
use crate::order_id::OrderId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderNotice {
    pub order_id: OrderId,
    pub username: String,
    pub version: u64,
    pub response: Response,
    #[serde(default)]
    pub reason: Option<Reason>,
    #[serde(default)]
    pub lines: Vec<ShortItem>,
    pub total: Money,
    pub timestamp: Timestamp,
}

impl Format for OrderNotice {
    const NUMBER: u16 = 2;
}
