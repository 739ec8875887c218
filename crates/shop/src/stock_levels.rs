//! How much of an article an outlet has: the counters that the gateway keeps
//! for the hooks of marketplaces, and what the shop has promised of them.

use serde::Serialize;
use tillgate_store::{CounterKey, Store, Unavailable};

use crate::contract::{Body, MemberKind, member};
use crate::outlets::{Outlet, Outlets};

/// What is there, in the stock with this name. The gateway counts it too.
#[must_use]
pub fn on_hand(stock: &str, article: &str) -> CounterKey {
    CounterKey::named(stock, article)
}

/// What of it the shop has promised.
#[must_use]
pub fn held(stock: &str, article: &str) -> CounterKey {
    CounterKey::internal(&format!("held {stock}"), article)
}

/// What open orders of marketplaces want of it. The gateway counts it, for
/// sources that hold stock.
#[must_use]
pub fn promised(stock: &str, article: &str) -> CounterKey {
    CounterKey::promised(stock, article)
}

/// What of [`held`] is sold, and not handed over yet.
#[must_use]
pub fn firm(stock: &str, article: &str) -> CounterKey {
    CounterKey::internal(&format!("firm {stock}"), article)
}

/// All counters count thousandths of a piece.
pub const PIECE: i64 = 1000;

/// How many pieces of each article can be promised in each outlet: for each
/// article, the pieces by outlet. A hint: the commit that promises them judges.
///
/// # Errors
/// When the store cannot be used.
pub async fn free(
    store: &Store,
    outlets: &[Outlet],
    articles: &[&str],
) -> Result<Vec<Vec<u64>>, Unavailable> {
    let all = free_with_debts(store, outlets, articles).await?;
    let positive = |pieces: Vec<i64>| pieces.into_iter().map(|one| u64::try_from(one).unwrap_or(0));
    Ok(all.into_iter().map(|pieces| positive(pieces).collect()).collect())
}

/// The same; below zero if a marketplace has taken what was promised.
///
/// # Errors
/// When the store cannot be used.
pub async fn free_with_debts(
    store: &Store,
    outlets: &[Outlet],
    articles: &[&str],
) -> Result<Vec<Vec<i64>>, Unavailable> {
    if outlets.is_empty() || articles.is_empty() {
        return Ok(vec![Vec::new(); articles.len()]);
    }
    let pairs = || articles.iter().flat_map(|one| outlets.iter().map(move |out| (out, *one)));
    let keys: Vec<CounterKey> = pairs()
        .flat_map(|(outlet, article)| {
            let stock = &outlet.stock;
            [on_hand(stock, article), held(stock, article), promised(stock, article)]
        })
        .collect();
    let balances = store.balances(&keys).await?;
    let (balances, _) = balances.as_chunks::<3>();
    let free: Vec<i64> = balances
        .iter()
        .map(|[on_hand, held, promised]| {
            on_hand.saturating_sub(*held).saturating_sub(*promised).div_euclid(PIECE)
        })
        .collect();
    Ok(free.chunks(outlets.len()).map(<[i64]>::to_vec).collect())
}

/// How much of a product an outlet can sell now, as services answer.
#[derive(Debug, Serialize)]
pub struct ProductPlace {
    store: PlaceStore,
    quantity: u64,
}

#[derive(Debug, Serialize)]
struct PlaceStore {
    id: u32,
    name: String,
    address: String,
}

/// The outlets with their pieces, in the order of the outlets.
#[must_use]
pub fn places(outlets: &Outlets, free: &[u64]) -> Vec<ProductPlace> {
    let place = |(outlet, quantity): (&Outlet, &u64)| ProductPlace {
        store: PlaceStore {
            id: outlet.id,
            name: outlet.name.clone(),
            address: outlet.address.clone(),
        },
        quantity: *quantity,
    };
    outlets.all.iter().zip(free).map(place).collect()
}

/// Those of them that have something: lists are long.
#[must_use]
pub fn places_with_goods(outlets: &Outlets, free: &[u64]) -> Vec<ProductPlace> {
    let mut all = places(outlets, free);
    all.retain(|place| place.quantity > 0);
    all
}

/// [`ProductPlace`] in contracts.
pub const PRODUCT_PLACE: Body = Body {
    name: "ProductPlace",
    about: "A product in a shop",
    members: &[
        member("store", MemberKind::One("PlaceStore"), "The shop"),
        member("quantity", MemberKind::Whole, "How many pieces can be sold now"),
    ],
};

/// The shop of a [`ProductPlace`] in contracts.
pub const PLACE_STORE: Body = Body {
    name: "PlaceStore",
    about: "A shop",
    members: &[
        member("id", MemberKind::Whole, "Its number"),
        member("name", MemberKind::Text, "Its name"),
        member("address", MemberKind::Text, "Where it is"),
    ],
};
