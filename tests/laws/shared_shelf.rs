//! The laws of goods that marketplaces sell from the same shelf: what the shop
//! has promised stays, what it promises afterwards fits beside their open
//! orders, and what they take from under a hold makes its CONFIRM short.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tillgate::flows::Services;
use tillgate::kernel::PartyName;
use tillgate_shop::Refusal;
use tillgate_shop::reservation::participant::Answer;
use tillgate_shop::stock_levels::{PIECE, promised};
use tillgate_shop::store::StockKeeper;

use super::shelf::{confirm, levels, on_memory, on_postgres, on_sled, outlet, stock, wanted};
use crate::stories::retention::{deliver, services};
use crate::world::hook;

/// The receivers of hooks, on the stores of the shop.
fn receivers(keepers: &[Arc<StockKeeper>], holders: &[&'static str]) -> Vec<Services> {
    let of = |keeper: &Arc<StockKeeper>| Services {
        store: keeper.store.clone(),
        clock: keeper.clock.clone(),
        stock_holders: Arc::new(holders.iter().map(|name| PartyName::new(*name)).collect()),
        ..services()
    };
    keepers.iter().map(of).collect()
}

/// A hook about an order of milk.
fn about(kind: &str, order: u64, pieces: u64, second: u64) -> String {
    let payload = json!({
        "originalOrderId": format!("M{order}"), "storeID": outlet(1).stock,
        "positions": [{"id": "milk", "quantity": pieces, "originalQuantity": pieces,
            "price": "10.00", "totalPrice": "10.00", "totalDiscountPrice": "10.00"}],
        "total": {"totalPrice": "10.00", "discountTotalPrice": "10.00"},
    });
    hook(kind, Some(&format!("2026-11-30T09:00:{second:02}+00:00")), payload)
}

/// What open orders of marketplaces want, in pieces.
async fn wanted_by_marketplaces(keeper: &StockKeeper) -> i64 {
    let keys = [promised(&outlet(1).stock, "milk")];
    keeper.store.balances(&keys).await.expect("balances")[0] / PIECE
}

/// What a marketplace does with each of its orders: the hooks in an order in
/// which they may arrive, and what the order wants and has shipped at the end.
fn course(order: u64) -> (Vec<String>, i64, i64) {
    let hook = |kind: &str, pieces, second| about(kind, order, pieces, second);
    match order % 7 {
        // It is paid, and has not left the shelf.
        6 => (vec![hook("order.created", 1, 0), hook("order.paid", 1, 1)], 1, 0),
        0 => (vec![hook("order.created", 1, 0)], 1, 0),
        // It is sent again, and then changed.
        1 => {
            let created = hook("order.created", 1, 0);
            (vec![created.clone(), created, hook("order.changed", 2, 1)], 2, 0)
        }
        2 => (vec![hook("order.created", 2, 0), hook("order.cancelled", 2, 1)], 0, 0),
        3 => (vec![hook("order.created", 1, 0), hook("order.received", 1, 1)], 0, 1),
        // The change comes after the shipment, and counts nevertheless.
        4 => {
            let shipped = hook("order.received", 2, 2);
            (vec![hook("order.created", 1, 0), shipped, hook("order.changed", 2, 1)], 0, 2)
        }
        // The shipment comes before the creation.
        _ => (vec![hook("order.received", 1, 1), hook("order.created", 1, 0)], 0, 1),
    }
}

async fn shop_and_marketplace_share(keepers: Vec<Arc<StockKeeper>>) {
    let (first, receivers) = (&keepers[0], receivers(&keepers, &["sm"]));
    stock(first, 1, "milk", 100).await;
    // Before the marketplace comes, the shop has promised ten pieces.
    for number in 0..10 {
        first.reserve(&wanted(number, &[("milk", 1)]), &outlet(1)).await.expect("there is enough");
    }
    let mut racing = tokio::task::JoinSet::new();
    for number in 10..50_u64 {
        let keeper = Arc::clone(&keepers[number as usize % keepers.len()]);
        racing.spawn(async move {
            match keeper.reserve(&wanted(number, &[("milk", 1)]), &outlet(1)).await {
                Ok(_) | Err(Refusal::Order(_) | Refusal::Busy) => {}
                Err(why) => panic!("{why:?}"),
            }
        });
    }
    let (mut open, mut shipped) = (0, 0);
    for order in 0..30_u64 {
        let receiver = receivers[order as usize % receivers.len()].clone();
        let (hooks, wants, ships) = course(order);
        (open, shipped) = (open + wants, shipped + ships);
        racing.spawn(async move {
            for hook in hooks {
                deliver(&receiver, &hook).await;
            }
        });
    }
    racing.join_all().await;
    let (on_hand, held, _) = levels(first, 1, "milk").await;
    assert_eq!((on_hand, wanted_by_marketplaces(first).await), (100 - shipped, open));
    // What the shop promises from now on fits beside their orders, to the last
    // piece.
    let free = u64::try_from(on_hand - held - open).expect("there was enough for all");
    assert!(free > 0 && open > 0, "{free} are free, {open} are promised");
    for number in 1000..1000 + free {
        first.reserve(&wanted(number, &[("milk", 1)]), &outlet(1)).await.expect("one is free");
    }
    let more = first.reserve(&wanted(2000, &[("milk", 1)]), &outlet(1)).await;
    assert!(matches!(more, Err(Refusal::Order(_))), "{more:?}");
    // The marketplace takes nearly all that there is, from under the holds.
    let left = 7;
    let taken = u64::try_from(on_hand - left).expect("more is there");
    deliver(&receivers[0], &about("order.created", 900, taken, 0)).await;
    deliver(&receivers[0], &about("order.received", 900, taken, 1)).await;
    let (on_hand, held, _) = levels(first, 1, "milk").await;
    assert_eq!(on_hand, left, "a shipment is a fact");
    let mut answers = BTreeMap::new();
    for number in (0..50).chain(1000..1000 + free) {
        let order = wanted(number, &[("milk", 1)]);
        let answer = confirm(first, &order).await;
        *answers.entry(format!("{answer:?}")).or_insert(0_i64) += 1;
        if answer == Answer::Short {
            // All of the order is given back.
            first.holds.reverse(order.order, |_| true, None, None).await.expect("never refused");
        }
    }
    let of = |name: &str| answers.get(name).copied().unwrap_or(0);
    assert_eq!((of("Success"), of("Short")), (left, held - left), "{answers:?}");
    assert_eq!(levels(first, 1, "milk").await, (left, left, left));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_and_marketplaces_share_a_shelf_on_every_engine() {
    shop_and_marketplace_share(on_memory()).await;
    let folder = tempfile::tempdir().expect("a folder");
    shop_and_marketplace_share(on_sled(folder.path())).await;
    shop_and_marketplace_share(on_postgres(1).await).await;
    shop_and_marketplace_share(on_postgres(3).await).await;
}

#[tokio::test]
async fn what_a_hook_wants_is_promised_and_nothing_below_zero() {
    let keepers = on_memory();
    let (shop, receiver) = (&keepers[0], &receivers(&keepers, &["sm"])[0]);
    stock(shop, 1, "milk", 10).await;
    deliver(receiver, &about("order.created", 1, 4, 0)).await;
    let mut odd: serde_json::Value =
        serde_json::from_str(&about("order.created", 2, 1, 0)).expect("a hook");
    odd["payload"]["positions"][0]["quantity"] = json!(-100);
    deliver(receiver, &odd.to_string()).await;
    assert_eq!(wanted_by_marketplaces(shop).await, 4);
    for number in 0..6 {
        shop.reserve(&wanted(number, &[("milk", 1)]), &outlet(1)).await.expect("one of six");
    }
    let more = shop.reserve(&wanted(7, &[("milk", 1)]), &outlet(1)).await;
    assert!(matches!(more, Err(Refusal::Order(_))), "{more:?}");
    deliver(receiver, &about("order.cancelled", 1, 4, 1)).await;
    shop.reserve(&wanted(8, &[("milk", 4)]), &outlet(1)).await.expect("they are free again");
}

#[tokio::test]
async fn a_source_that_stops_to_hold_stock_gives_it_back_with_its_next_hook() {
    let keepers = on_memory();
    stock(&keepers[0], 1, "milk", 5).await;
    let holding = receivers(&keepers, &["sm"]);
    deliver(&holding[0], &about("order.created", 1, 3, 0)).await;
    assert_eq!(wanted_by_marketplaces(&keepers[0]).await, 3);
    let not_holding = receivers(&keepers, &[]);
    deliver(&not_holding[0], &about("order.changed", 1, 2, 1)).await;
    assert_eq!(wanted_by_marketplaces(&keepers[0]).await, 0);
    deliver(&not_holding[0], &about("order.created", 2, 2, 0)).await;
    assert_eq!(wanted_by_marketplaces(&keepers[0]).await, 0);
}
