//! Every kind of document that is stored and every lane of the outbox, by their owners' declarations.

use super::effects::CALLBACKS;
use super::endpoint::Endpoint;
use super::marketplace_update::MARKETPLACES;
use super::shop_key::StoredKey;
use crate::dedup::JournalEntry;
use crate::kernel::{Document, Kind};
use crate::notify;
use crate::orders::{Movement, Order};
use crate::outbox::Delivery;
use crate::outbox::Lane;
use crate::payments::{self, Alias, Budget, Checkout, PastBill};

/// All of them. No two have the same number.
pub const KINDS: [Kind; 10] = [
    Order::KIND,
    JournalEntry::KIND,
    Delivery::KIND,
    Movement::KIND,
    Checkout::KIND,
    Budget::KIND,
    Alias::KIND,
    Endpoint::KIND,
    StoredKey::KIND,
    PastBill::KIND,
];

/// All lanes. No two have the same byte.
pub const LANES: [Lane; 5] = [notify::LANE, payments::LANE, CALLBACKS, payments::WATCH_LANE, MARKETPLACES];

/// A lane that was read back, with its name if it is one of ours.
#[must_use]
pub fn named_lane(lane: Lane) -> Lane {
    LANES.into_iter().find(|known| *known == lane).unwrap_or(lane)
}

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
    fn no_two_lanes_have_the_same_byte_or_name() {
        let bytes: BTreeSet<u8> = LANES.iter().map(|lane| lane.byte()).collect();
        let names: BTreeSet<String> = LANES.iter().map(Lane::to_string).collect();
        assert_eq!((bytes.len(), names.len()), (LANES.len(), LANES.len()));
        for lane in LANES {
            let read_back = Lane::from_byte(lane.byte());
            assert_eq!(read_back.ordering(), lane.ordering());
            assert_eq!(named_lane(read_back).to_string(), lane.to_string());
        }
    }

    #[test]
    fn no_two_kinds_have_the_same_number() {
        let numbers: BTreeSet<u8> = KINDS.iter().map(|kind| kind.byte() & 0x7f).collect();
        assert_eq!(numbers.len(), KINDS.len());
        assert_eq!(named(Kind::from_byte(Order::KIND.byte())).to_string(), "orders");
    }
}
