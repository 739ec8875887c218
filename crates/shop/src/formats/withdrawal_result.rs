//! Format 23: whether a completed order could be withdrawn. From `orchestra` to
//! `order`.

use serde::{Deserialize, Serialize};

use super::agreement::{Reason, Response};
use crate::bus::Format;
use crate::order_id::OrderId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawalResult {
    pub order_id: OrderId,
    pub response: Response,
    #[serde(default)]
    pub reason: Option<Reason>,
}

impl Format for WithdrawalResult {
    const NUMBER: u16 = 23;
}
