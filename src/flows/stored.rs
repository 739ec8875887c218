//! All kinds of stored documents and all lanes of the outbox, collected from
//! the modules that declare them.

use super::effects::CALLBACKS;
use super::endpoint::Endpoint;
use super::marketplace_update::MARKETPLACES;
use super::parties::Parties;
use super::share_counts::ByteCount;
use super::shop_key::StoredKey;
use crate::dedup::JournalEntry;
use crate::kernel::{Document, Kind};
use crate::notify;
use crate::orders::{Movement, Order};
use crate::outbox::{Delivery, Lane, MessageId, message_key};
use crate::payments::{self, Alias, Budget, Checkout, PastBill};
use crate::store::{Store, Unavailable};

/// What the shop's services store.
#[cfg(feature = "shop")]
use tillgate_shop::stored as of_the_shop;

#[cfg(not(feature = "shop"))]
mod of_the_shop {
    pub const KINDS: [super::Kind; 0] = [];
    pub const LANES: [super::Lane; 0] = [];
}

/// The gateway's kinds of documents.
const KINDS: [Kind; 12] = [
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
    Parties::KIND,
    ByteCount::KIND,
];

/// The gateway's lanes.
const LANES: [Lane; 5] =
    [notify::LANE, payments::LANE, CALLBACKS, payments::WATCH_LANE, MARKETPLACES];

/// All kinds of documents. Their numbers are unique.
fn kinds() -> impl Iterator<Item = Kind> {
    KINDS.into_iter().chain(of_the_shop::KINDS)
}

/// All lanes. Their bytes are unique.
pub fn lanes() -> impl Iterator<Item = Lane> {
    LANES.into_iter().chain(of_the_shop::LANES)
}

/// Whether a lane is one of the shop's.
#[must_use]
pub fn is_of_the_shop(lane: Lane) -> bool {
    of_the_shop::LANES.contains(&lane)
}

/// The declared lane, with its name, for a lane that was read back; an unknown
/// lane is returned unchanged.
#[must_use]
pub fn named_lane(lane: Lane) -> Lane {
    lanes().find(|known| *known == lane).unwrap_or(lane)
}

/// The declared kind, with its name, for a kind that was read back; an unknown
/// kind is returned unchanged.
#[must_use]
pub fn named(kind: Kind) -> Kind {
    kinds().find(|known| *known == kind).unwrap_or(kind)
}

/// A message of the outbox by its id.
pub async fn message(store: &Store, id: MessageId) -> Result<Option<Delivery>, Unavailable> {
    let stored = store.load(&[message_key(id)]).await?.pop().flatten();
    Ok(stored.map(|stored| stored.document()).transpose()?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_lanes_have_the_same_byte_or_name() {
        let bytes: BTreeSet<u8> = lanes().map(Lane::byte).collect();
        let names: BTreeSet<String> = lanes().map(|lane| lane.to_string()).collect();
        assert_eq!((bytes.len(), names.len()), (lanes().count(), lanes().count()));
        for lane in lanes() {
            let read_back = Lane::from_byte(lane.byte());
            assert_eq!(read_back.ordering(), lane.ordering());
            assert_eq!(named_lane(read_back).to_string(), lane.to_string());
        }
    }

    #[test]
    fn no_two_kinds_have_the_same_number() {
        let numbers: BTreeSet<u8> = kinds().map(Kind::byte).collect();
        assert_eq!(numbers.len(), kinds().count());
        assert_eq!(named(Kind::from_byte(Order::KIND.byte())).to_string(), "orders");
    }
}
