//! Baskets and orders: what a client wants to buy, at which prices, and what
//! has become of it.
//!
//! - [`shop_order`] is the document, [`name`] how an order is found;
//! - [`content`] is what an order has, pure: lines, prices, their changes;
//! - [`place`] begins an order, [`change`] changes one, [`find`] reads;
//! - [`cancel`] cancels one, for its client or because nobody has changed it
//!   for a month, and says so to the services that hold something for it;
//! - [`process`] sends one to be agreed on, and [`agreed`] takes what the
//!   agreement makes of it;
//! - [`contract`] describes the HTTP contract, [`asked`] reads requests,
//!   [`shown`] is what is answered, and [`api`] serves it.

pub mod agreed;
pub mod api;
pub mod asked;
pub mod cancel;
pub mod change;
pub mod content;
pub mod contract;
pub mod find;
pub mod name;
pub mod place;
pub mod process;
pub mod shop_order;
pub mod shown;
#[cfg(test)]
mod tests;

use tillgate_kernel::Clock;
use tillgate_store::Store;

use crate::assertion::Assertions;
use crate::booked::Bookings;
use crate::prices::Prices;
use crate::seal::MasterKeys;
use crate::sessions::Sessions;

/// The service.
#[derive(Debug)]
pub struct Orders {
    pub store: Store,
    pub clock: Clock,
    keys: MasterKeys,
    /// Reads what services in other processes assert.
    assertions: Assertions,
    sessions: Sessions,
    prices: Prices,
    bookings: Bookings,
    settings: Settings,
}

/// What the service needs of others.
#[derive(Debug)]
pub struct Others {
    pub sessions: Sessions,
    pub prices: Prices,
    pub bookings: Bookings,
}

/// What the service needs to know of the shop.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most orders of a client that are not paid, beside the basket. Each
    /// may hold goods.
    pub unpaid_max: u32,
    pub public_url: String,
}

impl Orders {
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        keys: MasterKeys,
        others: Others,
        settings: Settings,
    ) -> Orders {
        let assertions = Assertions::new(&keys);
        let Others { sessions, prices, bookings } = others;
        Orders { store, clock, keys, assertions, sessions, prices, bookings, settings }
    }
}
