//! The id of a payment.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::orders::Number;

/// The id of a payment: the order, and the attempt to be paid for it. The
/// payment system knows the payment under this number. It is chosen and
/// committed before the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId {
    /// The number of the order.
    pub number: Number,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.attempt)
    }
}

/// The text is not a payment's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payment's number is an order's number and an attempt, such as 482993011752-1")]
pub struct NotAPaymentId;

impl FromStr for PaymentId {
    type Err = NotAPaymentId;

    fn from_str(text: &str) -> Result<PaymentId, NotAPaymentId> {
        let (number, attempt) = text.split_once('-').ok_or(NotAPaymentId)?;
        let id = PaymentId {
            number: number.parse().map_err(|_| NotAPaymentId)?,
            attempt: attempt.parse().map_err(|_| NotAPaymentId)?,
        };
        // Only one spelling is accepted, so that equal ids have equal texts.
        if id.to_string() == text { Ok(id) } else { Err(NotAPaymentId) }
    }
}

impl Serialize for PaymentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::kernel::short_text::serialize_text(self, serializer)
    }
}

impl<'de> Deserialize<'de> for PaymentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<PaymentId, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
