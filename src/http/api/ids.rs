//! Ids and keys, as the document describes them.

use crate::views::schema::text_schema;

/// The `webhook-id` of a callback.
#[derive(Debug)]
pub(super) struct DeliveryId;
text_schema!(
    DeliveryId,
    "DeliveryId",
    "The `webhook-id` of a callback.",
    "^msg_[1-9][0-9]{11,19}-[0-9]{1,9}$",
    "msg_482993011752-2"
);

/// The header under which a request is repeated as itself.
#[derive(Debug)]
pub(super) struct IdempotencyKey;
text_schema!(
    IdempotencyKey,
    "IdempotencyKey",
    "New for each order, refund and capture, and the same when you repeat a request.",
    "^[!-~]([ -~]{0,253}[!-~])?$"
);
