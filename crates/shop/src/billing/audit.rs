//! What the books are checked by: all transfers and all balances, page by page,
//! while the shop goes on.

use serde::{Deserialize, Serialize};
use tillgate_kernel::{DocKey, Document, Fingerprint, Partition, Timestamp};
use tillgate_store::{Cursor, Scan, Unavailable};

use super::Billing;
use super::account_name::AccountName;
use super::statement::id_of;
use super::transfer::Transfer;
use super::verb::{Leg, Verb};
use crate::Refusal;

/// How many transfers or balances one page has.
pub const PAGE: usize = 500;

/// A transfer, without whose it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Audited {
    pub id: Fingerprint,
    pub payment: String,
    pub verb: Verb,
    pub at: Timestamp,
    pub legs: Vec<Leg>,
}

/// A page of the transfers, the earliest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct Transfers {
    pub items: Vec<Audited>,
    /// Where the next page begins. It is there on the last page too: what is
    /// moved later continues there.
    pub cursor: Option<String>,
    pub is_last: bool,
}

impl Transfers {
    /// The position before all transfers of a time.
    #[must_use]
    pub fn cursor_at(time: Timestamp) -> Cursor {
        Cursor::at(time, DocKey { partition: Partition::FIRST, kind: Transfer::KIND, id: 0 })
    }
}

/// A page of balances, by the name of the account.
#[derive(Debug, Serialize, Deserialize)]
pub struct Balances {
    pub items: Vec<Balance>,
    pub is_last: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Balance {
    pub account: AccountName,
    pub kopecks: i64,
}

impl Billing {
    /// A page of all transfers, after a cursor or from a time on.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn transfers(&self, after: Option<Cursor>) -> Result<Transfers, Refusal> {
        let start = after.as_ref().map(Cursor::to_string);
        let lists = vec![Transfer::all()];
        let scan = Scan::Lists { lists, newest_first: false, after, limit: PAGE };
        let page = self.store.scan(&scan).await?;
        let mut cursor = start;
        let mut items = Vec::with_capacity(page.items.len());
        for (key, stored) in page.items {
            let transfer: Transfer = stored.document().map_err(Unavailable::from)?;
            cursor = Some(Cursor::at(stored.body.listed_at, key).to_string());
            let Transfer { payment, verb, at, legs, .. } = transfer;
            items.push(Audited { id: id_of(key), payment, verb, at, legs });
        }
        Ok(Transfers { items, cursor, is_last: page.next.is_none() })
    }

    /// A page of the balances of all accounts after the one with this name.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn all_balances(&self, after: Option<&str>) -> Result<Balances, Refusal> {
        let counters = self.store.counters(&AccountName::group(), after, PAGE).await?;
        let is_last = counters.len() < PAGE;
        let balance = |(key, kopecks): (tillgate_store::CounterKey, i64)| {
            // Only the ledger has counters in its group.
            Some(Balance { account: key.name.parse().ok()?, kopecks })
        };
        Ok(Balances { items: counters.into_iter().filter_map(balance).collect(), is_last })
    }

    /// The balances of these accounts.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn balances_of(&self, accounts: Vec<AccountName>) -> Result<Balances, Refusal> {
        let keys: Vec<_> = accounts.iter().map(AccountName::counter).collect();
        let balances = self.store.balances(&keys).await?;
        let items = accounts.into_iter().zip(balances);
        let items = items.map(|(account, kopecks)| Balance { account, kopecks }).collect();
        Ok(Balances { items, is_last: true })
    }
}
