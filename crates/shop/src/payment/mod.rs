//! How orders are paid: by a wallet, which the ledger keeps, or through the
//! gateway, where the shop is a merchant like any other. Money is held or taken
//! before the agreement on the order, becomes the shop's with it, and goes back
//! without it.
//!
//! - [`attempt`] is one attempt to pay, and [`shop_payment`] all those for an
//!   order, pure; what others are to know follows from a change of them;
//! - [`pay`] begins an attempt, [`holds`] sees to it that goods outlive it;
//! - [`drive`] makes the calls, of the [`ledger`] and the [`gateway`], and
//!   records their outcomes;
//! - [`agreed`] answers the agreement on the order;
//! - [`notice`] takes the callbacks of the gateway; [`payer`] is how a client
//!   can be reached, for receipts;
//! - [`audit`] is what the operator sees;
//! - [`tokens`] are the means of payment that a client has;
//! - [`contract`] describes the HTTP contract, and [`api`] serves it.

pub mod agreed;
pub mod api;
pub mod attempt;
pub mod audit;
pub mod contract;
pub mod drive;
pub mod gateway;
pub mod holds;
pub mod ledger;
pub mod notice;
pub mod pay;
pub mod payer;
mod settings;
pub mod shop_payment;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod tests;
pub mod tokens;

use tillgate_kernel::Clock;
use tillgate_store::Store;

use self::gateway::Gateway;
use self::holds::Holds;
use self::ledger::Ledger;
pub use self::settings::Settings;
use crate::assertion::Assertions;
use crate::booked::Bookings;
use crate::client_orders::ClientOrders;
use crate::prices::Prices;
use crate::seal::MasterKeys;
use crate::sessions::Sessions;

/// The service.
#[derive(Debug)]
pub struct Payment {
    pub store: Store,
    pub clock: Clock,
    keys: MasterKeys,
    /// Reads what services in other processes assert.
    assertions: Assertions,
    sessions: Sessions,
    orders: ClientOrders,
    bookings: Bookings,
    prices: Prices,
    holds: Holds,
    ledger: Ledger,
    /// Nothing if only wallets pay.
    gateway: Option<Gateway>,
    settings: Settings,
}

/// What the service needs of others.
#[derive(Debug)]
pub struct Others {
    pub sessions: Sessions,
    pub orders: ClientOrders,
    pub bookings: Bookings,
    pub prices: Prices,
    pub holds: Holds,
    pub ledger: Ledger,
    pub gateway: Option<Gateway>,
}

impl Payment {
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        keys: MasterKeys,
        others: Others,
        settings: Settings,
    ) -> Payment {
        let assertions = Assertions::new(&keys);
        let Others { sessions, orders, bookings, prices, holds, ledger, gateway } = others;
        Payment {
            store,
            clock,
            keys,
            assertions,
            sessions,
            orders,
            bookings,
            prices,
            holds,
            ledger,
            gateway,
            settings,
        }
    }
}
