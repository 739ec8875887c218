//! What a merchant's site is told: events, as they are sent.

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::merchant_order::MerchantOrder;
use super::operation::OperationDocument;
use crate::kernel::Timestamp;
use crate::payments::PaymentId;

/// The events, each with its name and its meaning, which are for the sites' developers.
macro_rules! events {
    ($($event:ident = $name:literal, $meaning:literal;)*) => {
        /// What a callback tells.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = $meaning] $event,)*
        }

        impl Event {
            /// Every event, with its meaning.
            pub const ALL: &[(Event, &'static str)] = &[$((Event::$event, $meaning),)*];

            /// Its name, as sites know it.
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
    PaymentHeld = "payment.held", "The money is set aside: take it by a capture.";
    PaymentSucceeded = "payment.succeeded", "The money is there.";
    PaymentExpired = "payment.expired", "The time in which the order could be paid is over.";
    PaymentCanceled = "payment.canceled", "It can be paid no more, and nothing comes in its stead.";
    PaymentSuperseded = "payment.superseded",
        "It can be paid no more: there is another payment for what the order comes to now.";
    PaymentReview = "payment.review",
        "Money came that does not fit what the order is now: the operator decides whether it counts or goes back.";
    OrderChanged = "order.changed", "The order has other lines or prices.";
    OrderCanceled = "order.canceled", "The order was called off.";
    OrderShipped = "order.shipped", "The goods were handed over.";
    RefundSucceeded = "refund.succeeded", "Money was paid back.";
    RefundFailed = "refund.failed", "The payment system will not pay it back.";
    CaptureFailed = "capture.failed", "The payment system will not take money that it holds: `capture` says why.";
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
        text.description(Some("What a callback tells.")).into()
    }
}

impl ToSchema for Event {}

/// What a site is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct Callback {
    /// What has happened.
    #[serde(rename = "type")]
    pub event: Event,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The order, and what happened to it.
    pub data: CallbackData,
}

/// The order as it was then, and which of its payments and refunds the event is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallbackData {
    /// The order, at the revision that it shows.
    #[serde(flatten)]
    pub order: MerchantOrder,
    /// The payment that the event is about.
    pub payment_id: Option<PaymentId>,
    /// The refund that the event is about.
    pub refund: Option<OperationDocument>,
    /// The capture that the event is about.
    pub capture: Option<OperationDocument>,
}

/// What only shows that callbacks arrive.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestCallback {
    /// Always `tillgate.test`, which no other event has.
    #[serde(rename = "type")]
    pub event: &'static str,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Words for people.
    pub data: TestCallbackData,
}

/// What a test says.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestCallbackData {
    /// What it is for.
    pub message: &'static str,
    /// The address that is tried, if you named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
}

/// The address that a test's body names.
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

/// The `type` of an event that only shows that events arrive.
pub const TEST_EVENT: &str = "tillgate.test";
