//! Format 9: what was done about an order. From `store`, `delivery` and
//! `payment` to `orchestra`.

use serde::{Deserialize, Serialize};

use super::agreement::{Confirmator, Reason, RequestType, Response, ShortItem};
use super::confirm_request::ConfirmRequest;
use crate::bus::Format;
use crate::order_id::OrderId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmAnswer {
    pub order_id: OrderId,
    pub request_type: RequestType,
    pub confirmator: Confirmator,
    pub response: Response,
    /// Of the request.
    pub attempt: u32,
    /// Why not.
    #[serde(default, rename = "errorMsg")]
    pub reason: Option<Reason>,
    /// What there was too little of.
    #[serde(default)]
    pub lines: Vec<ShortItem>,
}

impl ConfirmAnswer {
    /// The answer to a request: `None` when it was done.
    #[must_use]
    pub const fn to(request: &ConfirmRequest, reason: Option<Reason>) -> ConfirmAnswer {
        ConfirmAnswer {
            order_id: request.order_id,
            request_type: request.request_type,
            confirmator: request.confirmator,
            response: if reason.is_none() { Response::Success } else { Response::Fail },
            attempt: request.attempt,
            reason,
            lines: Vec::new(),
        }
    }
}

impl Format for ConfirmAnswer {
    const NUMBER: u16 = 9;
}
