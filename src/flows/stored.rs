//! Every kind of document that is stored, by its owners' declarations.

use super::endpoint::Endpoint;
use super::shop_key::StoredKey;
use crate::dedup::Receipt;
use crate::kernel::{Document, Kind};
use crate::orders::{Movement, Order};
use crate::payments::{Alias, Budget, Checkout, PastBill};
use crate::store::Delivery;

/// All of them. No two have the same number.
pub const KINDS: [Kind; 10] = [
    Order::KIND,
    Receipt::KIND,
    Delivery::KIND,
    Movement::KIND,
    Checkout::KIND,
    Budget::KIND,
    Alias::KIND,
    Endpoint::KIND,
    StoredKey::KIND,
    PastBill::KIND,
];

/// A kind that was read back, with its name if it is one of ours.
#[must_use]
pub fn named(kind: Kind) -> Kind {
    KINDS.into_iter().find(|known| *known == kind).unwrap_or(kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_kinds_have_the_same_number() {
        let numbers: BTreeSet<u8> = KINDS.iter().map(|kind| kind.byte() & 0x7f).collect();
        assert_eq!(numbers.len(), KINDS.len());
        assert_eq!(named(Kind::from_byte(Order::KIND.byte())).to_string(), "orders");
    }
}
