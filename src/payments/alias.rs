//! Finds the order of a payment by the payment system's id.

use serde::{Deserialize, Serialize};

use crate::kernel::document::{decode_json, encode_json};
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
    const KIND: Kind = Kind::unlisted(7, "payment ids");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        encode_json(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Alias, Unreadable> {
        decode_json(schema, bytes)
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
