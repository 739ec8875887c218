//! What the shop sells: products, categories, prices; and the search among
//! them.
//!
//! - [`product`] and [`categories`] are the documents, [`category_id`] the
//!   numbers of these, [`vat`] the rates of tax;
//! - [`feed`] reads what another program has written, [`import`] compares it
//!   with what is stored, and [`keep`] stores what differs;
//! - [`catalogue`] is what many people see alike, in memory, [`sorted`] its
//!   orders; [`refresh`] keeps it like the store;
//! - [`limits`] are how many of a product an order may have, and where and when
//!   it is sold;
//! - [`search`] is its index, [`question`] what somebody looks for, and
//!   [`shown`] what is answered; [`price`] is what products cost, for other
//!   services;
//! - [`contract`] describes the HTTP contract, and [`api`] serves it.

pub mod api;
pub mod catalogue;
pub mod categories;
pub mod category_id;
pub mod contract;
pub mod feed;
pub mod import;
pub mod keep;
pub mod limits;
pub mod picture;
pub mod price;
pub mod product;
pub mod question;
pub mod refresh;
pub mod search;
pub mod shown;
pub mod sorted;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod tests;
pub mod vat;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use jiff::tz::TimeZone;
use tillgate_kernel::Clock;
use tillgate_store::Store;

use self::catalogue::Catalogue;
use self::limits::Limits;
use self::refresh::Progress;
use crate::assertion::Assertions;
use crate::outlets::Outlets;
use crate::seal::MasterKeys;

/// The service.
#[derive(Debug)]
pub struct Menu {
    pub store: Store,
    pub clock: Clock,
    /// Reads what services in other processes assert.
    assertions: Assertions,
    public_url: String,
    catalogue: Arc<RwLock<Catalogue>>,
    outlets: RwLock<Arc<Outlets>>,
    limits: RwLock<Arc<Limits>>,
    /// Of the hours in which products are sold.
    time_zone: TimeZone,
    /// Whether it was read once.
    is_loaded: AtomicBool,
    progress: tokio::sync::Mutex<Progress>,
}

impl Menu {
    /// The service on a store. Its catalogue is empty until it is refreshed.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        keys: &MasterKeys,
        public_url: String,
        time_zone: TimeZone,
    ) -> Menu {
        Menu {
            store,
            clock,
            assertions: Assertions::new(keys),
            public_url,
            catalogue: Arc::default(),
            outlets: RwLock::default(),
            limits: RwLock::default(),
            time_zone,
            is_loaded: AtomicBool::new(false),
            progress: tokio::sync::Mutex::default(),
        }
    }

    fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.catalogue.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn outlets(&self) -> Arc<Outlets> {
        Arc::clone(&self.outlets.read().unwrap_or_else(PoisonError::into_inner))
    }
}
