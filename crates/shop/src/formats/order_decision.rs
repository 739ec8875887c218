//! Format 7: the one result of the agreement on an order. From `orchestra` to
//! `order` and `store`.

use serde::{Deserialize, Serialize};

use super::agreement::{Reason, Response, ShortItem};
use crate::bus::Format;
use crate::order_id::OrderId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDecision {
    pub order_id: OrderId,
    pub version: u64,
    pub response: Response,
    /// Why it was not agreed on.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// What there was too little of.
    #[serde(default)]
    pub lines: Vec<ShortItem>,
}

impl Format for OrderDecision {
    const NUMBER: u16 = 7;
}
