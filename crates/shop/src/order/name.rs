//! How the client's side names an order.

use serde::{Deserialize, Serialize};

use crate::order_id::OrderId;
use crate::username::ClientNumber;

/// How many numbers are tried for an order before it is given up: that another
/// order has one is rare.
pub const ATTEMPTS: u8 = 8;

/// How an order was begun. Its number is found from this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// With an id that the caller has chosen.
    Reference(String),
    /// As the client's basket with this number. Two that begin it at the same
    /// moment begin one.
    Basket(u64),
}

impl Name {
    /// The number that an order with this name has, if no other has it.
    #[must_use]
    pub fn number(&self, client: ClientNumber, attempt: u8) -> OrderId {
        match self {
            Name::Reference(text) => {
                OrderId::of(client, &[b"r", text.as_bytes()].concat(), attempt)
            }
            Name::Basket(serial) => {
                OrderId::of(client, &[b"b", &serial.to_be_bytes()[..]].concat(), attempt)
            }
        }
    }
}
