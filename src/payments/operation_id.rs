//! Which operation, and of which kind.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::payment_id::PaymentId;

/// Which operation: the payment, and a count over everything that is done with it. It is the number under which the
/// payment system knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId {
    /// The payment.
    pub payment: PaymentId,
    /// 1 for the first.
    pub sequence: u32,
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.payment, self.sequence)
    }
}

/// The text is not an operation's number.
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
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperationId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<OperationId, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Money goes back to the buyer.
    Refund,
    /// Money that is held is taken, all of it or less; the rest is let go.
    Capture,
    /// The goods were handed over: the payment system makes the receipt of full payment.
    Shipment,
}

impl OperationKind {
    /// A word for people.
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

    /// An id has one spelling, so that no two texts are one operation.
    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
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
