//! What can be sold: holds of goods for orders, over the stock that the gateway
//! counts for marketplaces' hooks too. Nothing is checked first and taken
//! afterwards: the commit that takes goods judges whether they are there.
//!
//! - [`hold`] is the document of what is held for an order;
//! - [`reserve`] takes them for a client who is about to pay;
//! - [`agreed`] takes them for good or gives them back, as the agreement on the
//!   order asks, and begins to pick;
//! - [`places`] answers where a product is, and [`audit`] what the holds are
//!   checked by;
//! - [`contract`] describes the HTTP contract, and [`api`] serves it.

pub mod agreed;
pub mod api;
pub mod audit;
pub mod contract;
pub mod hold;
pub mod places;
pub mod reserve;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tillgate_kernel::Clock;
use tillgate_store::{Store, Unavailable, Versioned};

use self::hold::Hold;
use crate::assertion::Assertions;
use crate::client_orders::ClientOrders;
use crate::outlets::Outlets;
use crate::prices::Prices;
use crate::reservation::Reservations;
use crate::seal::MasterKeys;
use crate::sessions::Sessions;

/// The service.
#[derive(Debug)]
pub struct StockKeeper {
    pub store: Store,
    pub clock: Clock,
    pub holds: Reservations<Hold>,
    keys: MasterKeys,
    /// Reads what services in other processes assert.
    assertions: Assertions,
    sessions: Sessions,
    prices: Prices,
    orders: ClientOrders,
    public_url: String,
}

/// What the service needs of others.
#[derive(Debug)]
pub struct Others {
    pub sessions: Sessions,
    pub prices: Prices,
    pub orders: ClientOrders,
}

impl StockKeeper {
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        hold_for: Duration,
        keys: &MasterKeys,
        others: Others,
        public_url: String,
    ) -> StockKeeper {
        let Others { sessions, prices, orders } = others;
        let assertions = Assertions::new(keys);
        let holds = Reservations::new(store.clone(), clock.clone(), hold_for);
        let keys = keys.clone();
        StockKeeper { store, clock, holds, keys, assertions, sessions, prices, orders, public_url }
    }

    async fn outlets(&self) -> Result<Outlets, Unavailable> {
        let outlets = self.store.read::<Outlets>(Outlets::key()).await?;
        Ok(outlets.map(Versioned::into_document).unwrap_or_default())
    }
}
