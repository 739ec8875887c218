//! What can be sold: holds of goods for orders, over the stock that the gateway
//! counts for marketplaces' hooks too. Nothing is checked first and taken
//! afterwards: the commit that takes goods judges whether they are there.
//!
//! - [`hold`] is the document of what is held for an order;
//! - [`goods`] is how a hold changes, pure: which counters, and which floors;
//! - [`reserve`] takes and releases for a client, [`participant`] confirms and
//!   reverses for the order's agreement, [`expiry`] ends what has run out;
//! - [`places`] answers where a product is, and [`audit`] what the holds are
//!   checked by;
//! - [`contract`] describes the HTTP contract, and [`api`] serves it.

pub mod api;
pub mod audit;
pub mod contract;
pub mod expiry;
pub mod goods;
pub mod hold;
pub mod participant;
pub mod places;
pub mod reserve;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tillgate_kernel::Clock;
use tillgate_store::{Store, Unavailable, Versioned};

use crate::assertion::Assertions;
use crate::outlets::Outlets;
use crate::prices::Prices;
use crate::seal::MasterKeys;
use crate::service_client::ServiceClient;
use crate::sessions::Sessions;

/// How long a client may keep goods without buying them, however often the hold
/// is renewed.
pub const HELD_AT_MOST: Duration = Duration::from_secs(2 * 3600);

/// The service.
#[derive(Debug)]
pub struct StockKeeper {
    pub store: Store,
    pub clock: Clock,
    /// How long goods are held for a client who pays.
    pub hold_for: Duration,
    /// Reads what services in other processes assert.
    assertions: Assertions,
    sessions: Sessions,
    prices: Prices,
    /// The orders of clients.
    orders: ServiceClient,
    public_url: String,
}

/// What the service needs of others.
#[derive(Debug)]
pub struct Others {
    pub sessions: Sessions,
    pub prices: Prices,
    pub orders: ServiceClient,
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
        StockKeeper { store, clock, hold_for, assertions, sessions, prices, orders, public_url }
    }

    async fn outlets(&self) -> Result<Outlets, Unavailable> {
        let outlets = self.store.read::<Outlets>(Outlets::key()).await?;
        Ok(outlets.map(Versioned::into_document).unwrap_or_default())
    }
}
