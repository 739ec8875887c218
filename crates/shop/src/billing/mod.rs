//! Money that the shop keeps for its clients: wallets and gift cards, on a
//! double-entry ledger. Balances are counters with floors, and a transfer is a
//! document that never changes; both are written in one commit.
//!
//! - [`ledger`] is the books, pure: what each [`verb`] moves between accounts
//!   ([`account_name`]), and when it may;
//! - [`transfer`] is the document of a movement, [`account`] that of a wallet
//!   or a card with its number ([`token_id`]); [`card_code`] is what a card is
//!   activated by;
//! - [`charge`] is what a service asks for, [`credit`] what the operator gives;
//!   [`post`] carries out both, once; [`owners`] remembers whose wallets are;
//! - [`tokens`] shows and opens accounts, [`statement`] lists what has moved;
//! - [`audit`] is what the books are checked by on a live shop, and [`books`]
//!   checks them;
//! - [`take`] opens a wallet for each client who registers;
//! - [`contract`] describes the HTTP contract, and [`api`] serves it.

pub mod account;
pub mod account_name;
pub mod api;
pub mod audit;
pub mod books;
pub mod card_code;
pub mod charge;
pub mod contract;
pub mod credit;
pub mod ledger;
pub mod owners;
pub mod post;
pub mod statement;
#[cfg(test)]
mod stored;
pub mod take;
#[cfg(test)]
mod tests;
pub mod token_id;
pub mod tokens;
pub mod transfer;
pub mod verb;

use tillgate_kernel::Clock;
use tillgate_store::Store;

use self::owners::Owners;
use crate::assertion::Assertions;
use crate::seal::MasterKeys;
use crate::sessions::Sessions;

/// The service.
#[derive(Debug)]
pub struct Billing {
    pub store: Store,
    pub clock: Clock,
    keys: MasterKeys,
    /// Reads what services in other processes assert.
    assertions: Assertions,
    sessions: Sessions,
    public_url: String,
    owners: Owners,
}

impl Billing {
    /// The service on a store. `sessions` knows whose session a request has,
    /// and `public_url` is the shop's address as browsers write it.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        keys: MasterKeys,
        sessions: Sessions,
        public_url: String,
    ) -> Billing {
        let (assertions, owners) = (Assertions::new(&keys), Owners::default());
        Billing { store, clock, keys, assertions, sessions, public_url, owners }
    }
}
