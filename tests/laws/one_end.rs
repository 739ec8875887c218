//! The law of reservations: every history of an order, up to a length, with a
//! process that dies after every step. What is lost before a commit is a
//! history without the step, and what is repeated because its answer was lost
//! is one with the step twice, also with other steps between: so all crashes
//! are among them.

use std::time::Duration;

use tillgate::store::{Batch, CounterChange, Store};
use tillgate_shop::Refusal;
use tillgate_shop::reservation::extend::Extension;
use tillgate_shop::reservation::participant::Answer;
use tillgate_shop::stock_levels::{PIECE, firm, held, on_hand};
use tillgate_shop::store::StockKeeper;
use tillgate_shop::store::reserve::Wanted;

use super::shelf::{HOLD_FOR, confirm, keeper, on_memory, outlet, wanted};

/// What can happen to an order that wants one piece of the two that there are,
/// at version 0, and both at version 1.
#[derive(Debug, Clone, Copy)]
enum Step {
    TakeOne,
    TakeTwo,
    Lengthen,
    RunOut,
    Release,
    /// Of both, at version 1.
    Confirm,
    Reverse,
    /// Another order takes a piece, or gives it back.
    Rival,
}

const STEPS: [Step; 8] = [
    Step::TakeOne,
    Step::TakeTwo,
    Step::Lengthen,
    Step::RunOut,
    Step::Release,
    Step::Confirm,
    Step::Reverse,
    Step::Rival,
];

/// The longest history, and how many there are of it.
const LENGTH: u32 = 5;
const HISTORIES: usize = STEPS.len().pow(LENGTH);

/// What an order has, by the table of the agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Held(i64, u64),
    /// It was given back, at this version.
    Back(u64),
    Sold,
    Reversed,
}

#[derive(Debug)]
struct Table {
    own: Known,
    rival: i64,
}

impl Table {
    fn pieces(&self) -> i64 {
        match self.own {
            Known::Held(pieces, _) => pieces,
            Known::Sold => 2,
            Known::Nothing | Known::Back(_) | Known::Reversed => 0,
        }
    }

    /// Whether the step succeeds.
    fn take(&mut self, pieces: i64, version: u64) -> bool {
        let is_open = match self.own {
            Known::Nothing => true,
            Known::Held(_, known) | Known::Back(known) => known <= version,
            Known::Sold | Known::Reversed => false,
        };
        let is_taken = is_open && pieces + self.rival <= 2;
        if is_taken {
            self.own = Known::Held(pieces, version);
        }
        is_taken
    }

    fn give_back(&mut self) {
        if let Known::Held(_, version) = self.own {
            self.own = Known::Back(version);
        }
    }

    fn confirm(&mut self) -> Answer {
        match self.own {
            Known::Nothing => Answer::NothingHeld,
            Known::Sold => Answer::Success,
            Known::Reversed => Answer::Reversed,
            Known::Held(..) | Known::Back(_) if self.rival == 0 => {
                self.own = Known::Sold;
                Answer::Success
            }
            Known::Held(..) | Known::Back(_) => Answer::Short,
        }
    }
}

/// The two orders of a history, and what they want.
struct Orders {
    one: Wanted,
    two: Wanted,
    rival: Wanted,
}

impl Orders {
    fn of(number: usize, article: &str) -> Orders {
        let number = number as u64 * 2;
        let version = |wanted: Wanted, version| Wanted { version, ..wanted };
        Orders {
            one: version(wanted(number, &[(article, 1)]), 0),
            two: version(wanted(number, &[(article, 2)]), 1),
            rival: wanted(number + 1, &[(article, 1)]),
        }
    }
}

fn is_done<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(Refusal::Order(_) | Refusal::NotFound) => false,
        Err(why) => panic!("{why:?}"),
    }
}

/// Does a step, in the shop and in the table. Both must say the same.
async fn step(keeper: &StockKeeper, orders: &Orders, table: &mut Table, step: Step) {
    let (place, holds) = (outlet(1), &keeper.holds);
    match step {
        Step::TakeOne => {
            let done = is_done(keeper.reserve(&orders.one, &place).await);
            assert_eq!(done, table.take(1, 0));
        }
        Step::TakeTwo => {
            let done = is_done(keeper.reserve(&orders.two, &place).await);
            assert_eq!(done, table.take(2, 1));
        }
        Step::Lengthen => {
            // For the version that is held: the law of versions is another.
            let version = match table.own {
                Known::Held(_, version) => version,
                Known::Nothing | Known::Back(_) | Known::Sold | Known::Reversed => 0,
            };
            let (order, held_for) = (orders.one.order, HOLD_FOR * 2);
            let extension = Extension { order, version, held_for };
            let done = is_done(holds.extend(&extension).await.map(drop));
            assert_eq!(done, matches!(table.own, Known::Held(..)));
        }
        Step::RunOut => {
            keeper.clock.advance(HOLD_FOR * 2 + Duration::from_secs(1));
            holds.expire_step().await.expect("a step");
            table.give_back();
            table.rival = 0;
        }
        Step::Release => {
            let done = is_done(holds.release(orders.one.order).await);
            assert_eq!(done, table.own != Known::Sold);
            table.give_back();
        }
        Step::Confirm => {
            let answer = confirm(keeper, &orders.two).await;
            assert_eq!(answer, table.confirm());
        }
        Step::Reverse => {
            holds.reverse(orders.one.order, |_| true, None, None).await.expect("never refused");
            table.own = Known::Reversed;
        }
        Step::Rival if table.rival > 0 => {
            holds.release(orders.rival.order).await.expect("released");
            table.rival = 0;
        }
        Step::Rival => {
            let done = is_done(keeper.reserve(&orders.rival, &place).await);
            assert_eq!(done, table.pieces() < 2);
            table.rival = i64::from(done);
        }
    }
}

async fn levels(store: &Store, article: &str) -> Vec<i64> {
    let stock = outlet(1).stock;
    let keys = [on_hand(&stock, article), held(&stock, article), firm(&stock, article)];
    let balances = store.balances(&keys).await.expect("balances");
    balances.into_iter().map(|balance| balance / PIECE).collect()
}

/// The steps of a history, by its number.
fn history(number: usize) -> Vec<Step> {
    let digit = |place: u32| STEPS[number / STEPS.len().pow(place) % STEPS.len()];
    (0..LENGTH).map(digit).collect()
}

#[tokio::test]
async fn every_history_of_a_reservation_has_the_end_of_the_table() {
    let first = on_memory().pop().expect("a shop");
    let (store, clock) = (first.store.clone(), first.clock.clone());
    for number in 0..HISTORIES {
        let article = format!("a{number}");
        let orders = Orders::of(number, &article);
        let mut batch = Batch::new();
        let there = on_hand(&outlet(1).stock, &article);
        batch.bump(there, CounterChange::Add(2 * PIECE));
        store.commit(batch).await.expect("committed");
        let mut table = Table { own: Known::Nothing, rival: 0 };
        let steps = history(number);
        for (place, one) in steps.iter().enumerate() {
            // The process before has died: only the store is left of it.
            let keeper = keeper(store.clone(), clock.clone());
            step(&keeper, &orders, &mut table, *one).await;
            let is_sold = if table.own == Known::Sold { 2 } else { 0 };
            let expected = [2, table.pieces() + table.rival, is_sold];
            let done = &steps[..=place];
            assert_eq!(levels(&store, &article).await, expected, "{done:?}: {table:?}");
        }
        // Nothing runs out in another history.
        first.holds.reverse(orders.one.order, |_| true, None, None).await.expect("never refused");
        first.holds.reverse(orders.rival.order, |_| true, None, None).await.expect("never refused");
        assert_eq!(levels(&store, &article).await, [2, 0, 0], "{steps:?}");
    }
    println!("{HISTORIES} histories of {LENGTH} steps");
}
