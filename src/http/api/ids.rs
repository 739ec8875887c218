//! Ids and keys in the OpenAPI document.

use crate::views::schema::text_schema;

/// The `webhook-id` of a callback.
#[derive(Debug)]
pub(super) struct DeliveryId;
text_schema!(
    DeliveryId,
    "DeliveryId",
    "The id of a callback, as in its `webhook-id` header.",
    "^msg_[1-9][0-9]{11,19}-[0-9]{1,9}$",
    "msg_482993011752-2"
);

/// The header that identifies a request and its repeats.
#[derive(Debug)]
pub(super) struct IdempotencyKey;
text_schema!(
    IdempotencyKey,
    "IdempotencyKey",
    "Identifies a request and its repeats: from 1 to 255 printable ASCII characters. Use a new \
    key for each order, refund and capture, and the same key when you repeat a request.",
    "^[!-~]([ -~]{0,253}[!-~])?$"
);
