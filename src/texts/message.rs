//! What a message of the outbox is and who receives it, for people.

use serde::Serialize;

/// A message by its receiver and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum MessageSubject {
    PickerMessage {
        store_id: String,
    },
    Callback {
        merchant: String,
        event: String,
    },
    FulfilmentUpdate {
        source: String,
        event: String,
    },
    /// A call to a payment system about `subject`, a payment, refund, capture
    /// or shipment.
    PaymentCall {
        gateway: String,
        call: PaymentCall,
        subject: String,
    },
    /// A message between the shop's services.
    ServiceMessage {
        format: u16,
    },
    /// A letter to a client of the shop.
    Letter,
    /// A message that this release cannot read.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentCall {
    /// Creates a payment, or looks it up.
    Payment,
    /// Changes what the payment system shows of a payment.
    Update,
    /// A refund, a capture or a shipment.
    Operation,
    /// Lists the refunds that others have made.
    Refunds,
}
