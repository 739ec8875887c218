//! How orders come to clients: points where they are given out, couriers with
//! their zones and times, and what of it is booked for orders. Times are booked
//! as goods are held: the commit that takes one judges whether it is free.
//!
//! - [`plan`] is what the shop offers, and [`part`] what the operator sets of
//!   it; [`address`] is how people write addresses, [`slots`] are the times
//!   that couriers have left;
//! - [`booking`] is the document of what is booked for an order, and
//!   [`addressee`] the key that seals a client's addresses;
//! - [`variants`] answers how an order could come, [`book`] books it, and
//!   [`case`] says what is booked;
//! - [`agreed`] books for good or gives back, as the agreement on the order
//!   asks;
//! - [`audit`] is what the bookings are checked by;
//! - [`contract`] describes the HTTP contract, and [`api`] serves it.

pub mod address;
pub mod addressee;
pub mod agreed;
pub mod api;
mod asked;
pub mod audit;
pub mod book;
pub mod booking;
pub mod case;
pub mod contract;
pub mod part;
pub mod plan;
pub mod slots;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod tests;
pub mod variants;

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tillgate_kernel::Clock;
use tillgate_store::{Store, Unavailable, Versioned};

use self::booking::Booking;
use self::plan::Plan;
use crate::assertion::Assertions;
use crate::client_orders::ClientOrders;
use crate::reservation::Reservations;
use crate::seal::MasterKeys;
use crate::sessions::Sessions;

/// The service.
#[derive(Debug)]
pub struct Delivery {
    pub store: Store,
    pub clock: Clock,
    pub bookings: Reservations<Booking>,
    keys: MasterKeys,
    /// Reads what services in other processes assert.
    assertions: Assertions,
    sessions: Sessions,
    orders: ClientOrders,
    settings: Settings,
}

/// What the service needs to know of the shop.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a time is booked for a client who pays.
    pub hold_for: Duration,
    /// Of the times of couriers.
    pub time_zone: TimeZone,
    pub public_url: String,
}

impl Delivery {
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        keys: MasterKeys,
        sessions: Sessions,
        orders: ClientOrders,
        settings: Settings,
    ) -> Delivery {
        let bookings = Reservations::new(store.clone(), clock.clone(), settings.hold_for);
        let assertions = Assertions::new(&keys);
        Delivery { store, clock, bookings, keys, assertions, sessions, orders, settings }
    }

    async fn plan(&self) -> Result<Plan, Unavailable> {
        let plan = self.store.read::<Plan>(Plan::key()).await?;
        Ok(plan.map(Versioned::into_document).unwrap_or_default())
    }

    /// The time at the shop.
    fn now_there(&self) -> DateTime {
        self.clock.now().to_zoned(self.settings.time_zone.clone()).datetime()
    }
}
