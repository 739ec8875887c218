//! Callbacks: the events that are sent to a merchant's site.

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::merchant_order::MerchantOrder;
use super::operation::OperationDocument;
use crate::kernel::Timestamp;
use crate::payments::PaymentId;

/// The events, each with its name and its description for the sites'
/// developers.
macro_rules! events {
    ($($event:ident = $name:literal, $meaning:literal;)*) => {
        /// The kind of event that a callback reports.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = $meaning] $event,)*
        }

        impl Event {
            /// Every event with its description.
            pub const ALL: &[(Event, &'static str)] = &[$((Event::$event, $meaning),)*];

            /// The name of the event in a callback.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Event::$event => $name,)*
                }
            }
        }
    };
}

events! {
    PaymentHeld = "payment.held", "The money is held: capture it.";
    PaymentSucceeded = "payment.succeeded", "The money was received: the order is paid.";
    PaymentExpired = "payment.expired", "The time to pay for the order is over.";
    PaymentCanceled = "payment.canceled",
        "The payment can no longer be made, and no other payment replaces it.";
    PaymentSuperseded = "payment.superseded",
        "The payment can no longer be made: another payment for the order's current total \
         replaces it.";
    PaymentReview = "payment.review",
        "Money came that does not match the order's current state: the operator decides whether to \
         accept or to refund it.";
    OrderChanged = "order.changed", "The lines or prices of the order have changed.";
    OrderCanceled = "order.canceled", "The order was cancelled.";
    OrderShipped = "order.shipped", "The goods were handed over.";
    RefundSucceeded = "refund.succeeded", "The payment system made the refund.";
    RefundFailed = "refund.failed", "The payment system refused the refund.";
    CaptureFailed = "capture.failed",
        "The payment system refused to capture held money: `capture` says why.";
}

impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let names = Event::ALL.iter().map(|(event, _)| event.name());
        let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        text.description(Some("What happened: the kind of event that the callback reports.")).into()
    }
}

impl ToSchema for Event {}

/// The body of a callback to your site.
#[derive(Debug, Serialize, ToSchema)]
pub struct Callback {
    /// What happened, such as `payment.succeeded`.
    #[serde(rename = "type")]
    pub event: Event,
    /// When it happened: RFC 3339, UTC.
    pub timestamp: Timestamp,
    /// The order, and the payment, refund or capture that the event is about.
    pub data: CallbackData,
}

/// The order at the moment of the event, and the payment, refund or capture
/// that the event is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallbackData {
    /// The order in the same form as the API returns it; `revision` says which
    /// state it shows.
    #[serde(flatten)]
    pub order: MerchantOrder,
    /// The payment that the event is about; null if it is about none.
    pub payment_id: Option<PaymentId>,
    /// The refund that the event is about; null if it is about none.
    pub refund: Option<OperationDocument>,
    /// The capture that the event is about; null if it is about none.
    pub capture: Option<OperationDocument>,
}

/// The body of a test callback. It only shows that callbacks arrive.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestCallback {
    /// Always `tillgate.test`. No other event has this type.
    #[serde(rename = "type")]
    pub event: &'static str,
    /// When the test was sent: RFC 3339, UTC.
    pub timestamp: Timestamp,
    /// A message for people, and the address under test.
    pub data: TestCallbackData,
}

/// The content of a test callback.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestCallbackData {
    /// A text for people that explains the test.
    pub message: &'static str,
    /// The callback address under test, if you named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
}

/// The address that the body of a test callback names.
#[must_use]
pub fn tested_url(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Data {
        callback_url: Option<String>,
    }
    #[derive(Deserialize)]
    struct Test {
        data: Data,
    }
    serde_json::from_str::<Test>(body).ok()?.data.callback_url
}

/// The `type` of a test callback.
pub const TEST_EVENT: &str = "tillgate.test";
