//! Finds the order of a payment by the payment system's id.

use serde::{Deserialize, Serialize};

use crate::kernel::document;
use crate::kernel::{Document, Kind, Unreadable};
use crate::orders::Number;

/// The order of a payment, stored under the payment system's id. It is kept as
/// long as the order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The number of the order.
    pub number: Number,
}

impl Document for Alias {
    const KIND: Kind = Kind::new(7, "payment ids");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Alias, Unreadable> {
        document::decode(schema, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let alias = Alias { number: Number::smallest() };
        assert_eq!(Alias::decode(Alias::SCHEMA, &alias.encode()), Ok(alias));
    }
}
