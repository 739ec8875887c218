//! The number of an order of the shop.

use std::fmt;

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Fingerprint, Partition, Subject};

use crate::username::ClientNumber;

/// How many digits the number of an order has.
pub const ORDER_DIGITS: usize = 12;

/// How many numbers there are.
const NUMBERS: u64 = 1_000_000_000_000;

/// The orders of the shop. Those of the gateway have numbers of their own.
const ORDERS: Subject = Subject::new(5);

/// The number of an order, as services and people write it: twelve digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(u64);

impl OrderId {
    /// The number of the order that a client calls `name`. Another order may
    /// have the number: then it is that of the next `attempt`.
    #[must_use]
    pub fn of(client: ClientNumber, name: &[u8], attempt: u8) -> OrderId {
        let digest = Fingerprint::of(&[b"order", &client.bytes(), name, &[attempt]]).get();
        OrderId(digest as u64 % NUMBERS)
    }

    /// Everything about an order is in its partition.
    #[must_use]
    pub const fn partition(self) -> Partition {
        Partition::of(ORDERS, self.0)
    }

    /// The number in a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<OrderId> {
        let is_number =
            text.len() == ORDER_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse().ok().map(OrderId) } else { None }
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0digits$}", self.0, digits = ORDER_DIGITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_twelve_digits() {
        for text in ["482993011752", "000000000007"] {
            assert_eq!(OrderId::parse(text).map(|id| id.to_string()).as_deref(), Some(text));
        }
        for text in
            ["", "7", "4829930117521", "48299301175x", "+48299301175", "４８２９９３０１１７５２"]
        {
            assert_eq!(OrderId::parse(text), None, "{text}");
        }
    }
}
