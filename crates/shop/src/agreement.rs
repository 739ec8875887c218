//! The agreement on an order, through all services that take part in it: what
//! holds whatever is lost, repeated, overtaken or refused.

mod history;
mod world;

use self::history::{History, Trouble, explore};

/// Every history of an order in which messages overtake each other, and up to
/// two things go wrong, ends with one decision that all services agree with.
#[tokio::test]
async fn every_history_ends_with_one_decision_and_nothing_left_over() {
    let mut count = 0;
    for trouble in Trouble::ALL {
        count += explore(trouble).await;
    }
    println!("{count} histories of an agreement");
}

/// The same with the withdrawal of the order, before its picking begins and
/// after.
#[tokio::test]
async fn a_withdrawal_gives_everything_back_or_nothing() {
    let mut count = 0;
    for picking in [false, true] {
        let history = History { withdraws: true, picking, ..History::default() };
        count += history.explore().await;
    }
    println!("{count} histories of a withdrawal");
}
