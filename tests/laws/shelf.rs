//! The laws of goods, on every engine: nothing is promised that is not there,
//! what is taken twice is taken once, and what is given back is given back
//! once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use proptest::prelude::*;
use tillgate::kernel::Clock;
use tillgate::store::memory::Memory;
use tillgate::store::postgres::{Migration, Postgres};
use tillgate::store::sled::Sled;
use tillgate::store::{Batch, CounterChange, Store};
use tillgate_shop::Refusal;
use tillgate_shop::client_orders::ClientOrders;
use tillgate_shop::order_id::OrderId;
use tillgate_shop::outlets::Outlet;
use tillgate_shop::prices::Prices;
use tillgate_shop::product_id::ProductId;
use tillgate_shop::reservation::extend::Extension;
use tillgate_shop::reservation::participant::Answer;
use tillgate_shop::seal::MasterKeys;
use tillgate_shop::service_client::ServiceClient;
use tillgate_shop::sessions::Sessions;
use tillgate_shop::stock_levels::{PIECE, firm, held, on_hand};
use tillgate_shop::store::agreed::sold;
use tillgate_shop::store::hold::HeldLine;
use tillgate_shop::store::reserve::Wanted;
use tillgate_shop::store::{Others, StockKeeper};

use crate::world::database::Server;

const CACHE_BYTES: u64 = 16 << 20;
pub const HOLD_FOR: Duration = Duration::from_secs(900);

pub fn keeper(store: Store, clock: Clock) -> Arc<StockKeeper> {
    let nobody = || ServiceClient::of(Router::new(), "store");
    let others = Others {
        sessions: Sessions { auth: nobody() },
        prices: Prices { menu: nobody() },
        orders: ClientOrders { order: nobody() },
    };
    let keys = MasterKeys::new([7; 32], []);
    Arc::new(StockKeeper::new(store, clock, HOLD_FOR, &keys, others, String::new()))
}

fn clock() -> Clock {
    Clock::manual("2026-11-30T10:00:00Z".parse().expect("a time"))
}

pub fn on_memory() -> Vec<Arc<StockKeeper>> {
    let clock = clock();
    vec![keeper(Store::Memory(Arc::new(Memory::new(clock.clone()))), clock)]
}

pub fn on_sled(folder: &Path) -> Vec<Arc<StockKeeper>> {
    let clock = clock();
    let sled = Sled::open(&folder.join("data"), CACHE_BYTES, clock.clone()).expect("a store");
    vec![keeper(Store::Sled(Arc::new(sled)), clock)]
}

/// Services on one database, each with a store of its own.
pub async fn on_postgres(count: usize) -> Vec<Arc<StockKeeper>> {
    let (address, clock) = (Server::shared().new_database().await, clock());
    let address = address.parse().expect("an address");
    let mut services = Vec::new();
    for _ in 0..count {
        let store = Postgres::open(&address, Migration::Apply, &clock).await.expect("a store");
        services.push(keeper(Store::Postgres(Arc::new(store)), clock.clone()));
    }
    services
}

pub fn outlet(id: u32) -> Outlet {
    Outlet { id, name: String::new(), address: String::new(), stock: format!("s{id}") }
}

fn line(article: &str, pieces: u64) -> HeldLine {
    let product = ProductId::of_article(article);
    HeldLine { product, article: article.into(), name: article.into(), pieces }
}

pub fn wanted(order: u64, lines: &[(&str, u64)]) -> Wanted {
    let lines = lines.iter().map(|(article, pieces)| line(article, *pieces)).collect();
    Wanted {
        order: OrderId::parse(&format!("{order:012}")).expect("a number"),
        version: 0,
        lines: tillgate_shop::store::hold::summed(lines),
        sold_at: None,
    }
}

/// Adds pieces to what is there, as a count or a marketplace's hook does.
pub async fn stock(keeper: &StockKeeper, id: u32, article: &str, pieces: i64) {
    let mut batch = Batch::new();
    batch.bump(on_hand(&outlet(id).stock, article), CounterChange::Add(pieces * PIECE));
    keeper.store.commit(batch).await.expect("committed");
}

/// What is there, held and sold, in pieces.
pub async fn levels(keeper: &StockKeeper, id: u32, article: &str) -> (i64, i64, i64) {
    let stock = outlet(id).stock;
    let keys = [on_hand(&stock, article), held(&stock, article), firm(&stock, article)];
    let balances = keeper.store.balances(&keys).await.expect("balances");
    (balances[0] / PIECE, balances[1] / PIECE, balances[2] / PIECE)
}

/// The pieces of all holds, by article.
async fn in_holds(keeper: &StockKeeper) -> BTreeMap<String, i64> {
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let page = keeper.holds(after).await.expect("a page");
        for hold in page.items {
            for (article, pieces) in hold.pieces {
                *all.entry(article).or_insert(0) += i64::try_from(pieces).expect("few");
            }
        }
        let Some(next) = page.cursor else { return all };
        after = Some(next.parse().expect("a cursor"));
    }
}

/// 300 buyers for 100 pieces: some want one, some two, some in two lines; some
/// change their minds, and the time of some runs out.
/// Takes an order's goods for good.
pub async fn confirm(keeper: &StockKeeper, order: &Wanted) -> Answer {
    keeper.holds.confirm(order.order, sold(order), None, None).await.expect("an answer")
}

async fn what_is_promised_is_there(keepers: Vec<Arc<StockKeeper>>) {
    let first = &keepers[0];
    stock(first, 1, "milk", 100).await;
    let mut buyers = tokio::task::JoinSet::new();
    for number in 0..300_u64 {
        let keeper = Arc::clone(&keepers[number as usize % keepers.len()]);
        buyers.spawn(async move {
            let lines: &[(&str, u64)] = match number % 3 {
                0 => &[("milk", 1)],
                1 => &[("milk", 2)],
                _ => &[("milk", 1), ("milk", 1)],
            };
            let first = keeper.reserve(&wanted(number, lines), &outlet(1)).await;
            if number % 7 == 0 && first.is_ok() {
                // Changes its mind: one piece is enough.
                keeper.reserve(&wanted(number, &[("milk", 1)]), &outlet(1)).await.expect("less");
                return 1;
            }
            if number % 11 == 0 && first.is_ok() {
                keeper.holds.release(wanted(number, lines).order).await.expect("released");
                return 0;
            }
            match first {
                Ok(_) => lines.iter().map(|(_, pieces)| pieces).sum(),
                Err(Refusal::Order(_)) => 0,
                Err(why) => panic!("{why:?}"),
            }
        });
        if number % 50 == 0 {
            let (on_hand, held, _) = levels(first, 1, "milk").await;
            assert!(held <= on_hand, "{held} of {on_hand} are held");
        }
    }
    let got: u64 = buyers.join_all().await.into_iter().sum();
    let (on_hand, held, _) = levels(first, 1, "milk").await;
    assert_eq!((on_hand, held), (100, i64::try_from(got).expect("few")));
    assert_eq!(in_holds(first).await.get("milk").copied().unwrap_or(0), held);
    // What is left can be taken to the last piece, and no further.
    for number in 1000..1000 + u64::try_from(on_hand - held).expect("not below zero") {
        first.reserve(&wanted(number, &[("milk", 1)]), &outlet(1)).await.expect("one is left");
    }
    let more = first.reserve(&wanted(2000, &[("milk", 1)]), &outlet(1)).await;
    assert!(matches!(more, Err(Refusal::Order(_))), "{more:?}");
    // The time of all of them runs out, on every receiver at once.
    first.clock.advance(HOLD_FOR + Duration::from_secs(1));
    let mut ending = tokio::task::JoinSet::new();
    for keeper in &keepers {
        let keeper = Arc::clone(keeper);
        ending.spawn(async move { while keeper.holds.expire_step().await.expect("ended") > 0 {} });
    }
    ending.join_all().await;
    assert_eq!(levels(first, 1, "milk").await, (100, 0, 0));
    assert_eq!(in_holds(first).await, BTreeMap::new());
}

/// CONFIRM, REVERSE, expiry and a renewal of one order at the same moment.
async fn one_end_wins(keepers: Vec<Arc<StockKeeper>>) {
    let first = &keepers[0];
    stock(first, 1, "milk", 5).await;
    for round in 0..12 {
        let order = wanted(round, &[("milk", 2)]);
        first.reserve(&order, &outlet(1)).await.expect("held");
        first.clock.advance(HOLD_FOR + Duration::from_secs(1));
        let mut racing = tokio::task::JoinSet::new();
        for (number, keeper) in keepers.iter().cycle().take(6).enumerate() {
            let (keeper, order) = (Arc::clone(keeper), order.clone());
            racing.spawn(async move {
                match number % 3 {
                    0 => drop(confirm(&keeper, &order).await),
                    1 => drop(
                        keeper
                            .holds
                            .reverse(order.order, |_| true, None, None)
                            .await
                            .expect("reversed"),
                    ),
                    _ => drop(keeper.holds.expire_step().await.expect("ended")),
                }
            });
        }
        racing.join_all().await;
        assert_eq!(levels(first, 1, "milk").await, (5, 0, 0), "round {round}");
        assert_eq!(confirm(first, &order).await, Answer::Reversed);
    }
    // A late payment's extension against the expiry.
    for round in 100..112 {
        let order = wanted(round, &[("milk", 2)]);
        first.reserve(&order, &outlet(1)).await.expect("held");
        first.clock.advance(HOLD_FOR);
        let (other, id) = (Arc::clone(&keepers[keepers.len() - 1]), order.order);
        let ended = tokio::spawn(async move { other.holds.expire_step().await.expect("a step") });
        let extension = Extension { order: id, version: order.version, held_for: HOLD_FOR };
        let lengthened = first.holds.extend(&extension).await;
        ended.await.expect("no panic");
        let (_, held, _) = levels(first, 1, "milk").await;
        assert_eq!(lengthened.is_ok(), held == 2, "{lengthened:?}");
        first.holds.release(id).await.expect("released");
        assert_eq!(levels(first, 1, "milk").await, (5, 0, 0), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_promised_is_there_on_every_engine() {
    what_is_promised_is_there(on_memory()).await;
    let folder = tempfile::tempdir().expect("a folder");
    what_is_promised_is_there(on_sled(folder.path())).await;
    what_is_promised_is_there(on_postgres(1).await).await;
    what_is_promised_is_there(on_postgres(3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_has_one_end_on_every_engine() {
    one_end_wins(on_memory()).await;
    let folder = tempfile::tempdir().expect("a folder");
    one_end_wins(on_sled(folder.path())).await;
    one_end_wins(on_postgres(1).await).await;
    one_end_wins(on_postgres(3).await).await;
}

/// What can happen to the orders of a shop.
#[derive(Debug, Clone)]
enum Act {
    Reserve {
        order: u64,
        milk: u64,
        tea: u64,
        outlet: u32,
    },
    Release(u64),
    Confirm {
        order: u64,
        milk: u64,
        tea: u64,
    },
    Reverse(u64),
    TimePasses,
    /// A marketplace takes, or a delivery brings.
    Stock(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let order = || 0_u64..4;
    prop_oneof![
        4 => (order(), 0_u64..4, 0_u64..3, 1_u32..3)
            .prop_map(|(order, milk, tea, outlet)| Act::Reserve { order, milk, tea, outlet }),
        1 => order().prop_map(Act::Release),
        2 => (order(), 0_u64..4, 0_u64..3)
            .prop_map(|(order, milk, tea)| Act::Confirm { order, milk, tea }),
        1 => order().prop_map(Act::Reverse),
        1 => Just(Act::TimePasses),
        2 => (-2_i64..4).prop_map(Act::Stock),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Held,
    Sold,
    Back,
    Reversed,
}

/// The same by plain sums.
#[derive(Debug, Default)]
struct Model {
    on_hand: BTreeMap<(u32, &'static str), i64>,
    orders: BTreeMap<u64, (Kind, u32, [i64; 2])>,
}

const ARTICLES: [&str; 2] = ["milk", "tea"];

impl Model {
    fn sum(&self, at: u32, article: usize, of: impl Fn(Kind) -> bool) -> i64 {
        let live = self.orders.values().filter(|(kind, outlet, _)| of(*kind) && *outlet == at);
        live.map(|(_, _, pieces)| pieces[article]).sum()
    }

    fn there(&self, at: u32, article: usize) -> i64 {
        self.on_hand.get(&(at, ARTICLES[article])).copied().unwrap_or(0)
    }

    /// Whether an order can have this instead of what it has.
    fn fits(&self, order: u64, at: u32, wanted: [i64; 2], is_sale: bool) -> bool {
        let own = self.orders.get(&order);
        (0..2).all(|article| {
            let (kind, outlet, pieces) = own.copied().unwrap_or((Kind::Back, at, [0, 0]));
            let own_held = if outlet == at && matches!(kind, Kind::Held | Kind::Sold) {
                pieces[article]
            } else {
                0
            };
            let all = self.sum(at, article, |kind| matches!(kind, Kind::Held | Kind::Sold));
            let taken = wanted[article] - own_held;
            let has_room = taken <= 0 || all + taken <= self.there(at, article);
            let sold = self.sum(at, article, |kind| kind == Kind::Sold);
            let can_be_sold = !is_sale
                || wanted[article] == 0
                || sold + wanted[article] <= self.there(at, article);
            has_room && can_be_sold
        })
    }
}

async fn play(keeper: &StockKeeper, acts: &[Act]) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let count = |milk: u64, tea: u64| [milk, tea].map(|pieces| i64::try_from(pieces).expect("few"));
    for act in acts {
        match *act {
            Act::Reserve { order, milk, tea, outlet: at } => {
                let asked = wanted(order, &[("milk", milk), ("tea", tea)]);
                let got = keeper.reserve(&asked, &outlet(at)).await.is_ok();
                let pieces = count(milk, tea);
                let is_open =
                    !matches!(model.orders.get(&order), Some((Kind::Sold | Kind::Reversed, _, _)));
                let expected = is_open && model.fits(order, at, pieces, false);
                prop_assert_eq!(got, expected, "{:?}", act);
                if got {
                    model.orders.insert(order, (Kind::Held, at, pieces));
                }
            }
            Act::Release(order) => {
                let released = keeper.holds.release(wanted(order, &[]).order).await;
                if let Some((kind, _, pieces)) = model.orders.get_mut(&order) {
                    prop_assert_eq!(released.is_ok(), *kind != Kind::Sold);
                    if *kind == Kind::Held {
                        (*kind, *pieces) = (Kind::Back, [0, 0]);
                    }
                }
            }
            Act::Confirm { order, milk, tea } => {
                let asked = wanted(order, &[("milk", milk), ("tea", tea)]);
                let answer = confirm(keeper, &asked).await;
                let pieces = count(milk, tea);
                let expected = match model.orders.get(&order).copied() {
                    None => Answer::NothingHeld,
                    Some((Kind::Sold, _, _)) => Answer::Success,
                    Some((Kind::Reversed, _, _)) => Answer::Reversed,
                    Some((Kind::Held | Kind::Back, at, _)) => {
                        if model.fits(order, at, pieces, true) {
                            model.orders.insert(order, (Kind::Sold, at, pieces));
                            Answer::Success
                        } else {
                            Answer::Short
                        }
                    }
                };
                prop_assert_eq!(answer, expected, "{:?}", act);
            }
            Act::Reverse(order) => {
                let id = wanted(order, &[]).order;
                keeper.holds.reverse(id, |_| true, None, None).await.expect("never refused");
                let outlet = model.orders.get(&order).map_or(0, |(_, outlet, _)| *outlet);
                model.orders.insert(order, (Kind::Reversed, outlet, [0, 0]));
            }
            Act::TimePasses => {
                keeper.clock.advance(HOLD_FOR + Duration::from_secs(1));
                while keeper.holds.expire_step().await.expect("a step") > 0 {}
                for (kind, _, pieces) in model.orders.values_mut() {
                    if *kind == Kind::Held {
                        (*kind, *pieces) = (Kind::Back, [0, 0]);
                    }
                }
            }
            Act::Stock(pieces) => {
                stock(keeper, 1, "milk", pieces).await;
                stock(keeper, 2, "tea", pieces).await;
                *model.on_hand.entry((1, "milk")).or_insert(0) += pieces;
                *model.on_hand.entry((2, "tea")).or_insert(0) += pieces;
            }
        }
        for at in 1..3 {
            for (article, name) in ARTICLES.into_iter().enumerate() {
                let expected = (
                    model.there(at, article),
                    model.sum(at, article, |kind| matches!(kind, Kind::Held | Kind::Sold)),
                    model.sum(at, article, |kind| kind == Kind::Sold),
                );
                prop_assert_eq!(levels(keeper, at, name).await, expected, "{:?}: {}", act, name);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn histories_of_holds_agree_with_plain_sums(acts in prop::collection::vec(act(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async { play(&on_memory()[0], &acts).await })?;
    }
}
