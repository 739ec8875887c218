//! The id and the kind of an operation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::payment_id::PaymentId;

/// The id of an operation: the payment, and a sequence number over all
/// operations of the order. The payment system knows the operation under this
/// number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId {
    pub payment: PaymentId,
    /// The sequence number, from 1.
    pub sequence: u32,
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.payment, self.sequence)
    }
}

/// The text is not an operation's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the number of a refund is a payment's number and a count, such as 482993011752-1-1")]
pub struct NotAnOperationId;

impl FromStr for OperationId {
    type Err = NotAnOperationId;

    fn from_str(text: &str) -> Result<OperationId, NotAnOperationId> {
        let (payment, sequence) = text.rsplit_once('-').ok_or(NotAnOperationId)?;
        let id = OperationId {
            payment: payment.parse().map_err(|_| NotAnOperationId)?,
            sequence: sequence.parse().map_err(|_| NotAnOperationId)?,
        };
        if id.to_string() == text { Ok(id) } else { Err(NotAnOperationId) }
    }
}

impl Serialize for OperationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::kernel::short_text::serialize_text(self, serializer)
    }
}

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<OperationId, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The kind of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Money goes back to the buyer.
    Refund,
    /// All or a part of the held money is captured; the rest is released.
    Capture,
    /// The goods were handed over, so the payment system issues the receipt of
    /// full payment.
    Shipment,
}

impl OperationKind {
    /// The name of the kind, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OperationKind::Refund => "refund",
            OperationKind::Capture => "capture",
            OperationKind::Shipment => "shipment",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An id has one spelling, so that no two texts name the same operation.
    #[test]
    fn an_id_has_exactly_one_spelling() {
        let id: OperationId = "482993011752-1-2".parse().expect("an id");
        assert_eq!(id.to_string(), "482993011752-1-2");
        for text in [
            "482993011752-1-02",
            "482993011752-01-2",
            "482993011752-1-+2",
            "482993011752-1",
            "482993011752-1-2-",
        ] {
            assert!(text.parse::<OperationId>().is_err(), "{text}");
        }
    }
}
