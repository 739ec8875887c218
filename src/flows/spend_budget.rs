//! Before a payment system is called: is the account allowed the call? All receivers count together.

use std::time::Duration;

use super::Shop;
use super::transaction::{Staged, Versioned, transact};
use crate::dedup::key;
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::PartyName;
use crate::payments::{Allowance, Budget, Purpose};
use crate::store::Unavailable;

/// Counts `calls` to the payment system `gateway` that are about to be made by `account`. The inner error says how long
/// there is no room for them.
pub async fn spend_budget(
    shop: &Shop,
    gateway: &PartyName,
    account: &str,
    calls: usize,
    allowance: Allowance,
    purpose: Purpose,
) -> Result<Result<(), Duration>, Unavailable> {
    let key = DocKey { partition: key::partition_of_account(gateway, account), kind: Budget::KIND, id: 0 };
    transact(shop, "spend_budget", |mut tx| async move {
        let known = tx.read(key).await?;
        let mut budget = known.unwrap_or_else(|| Versioned::new(Budget::default(), tx.now));
        if let Err(wait) = budget.spend(calls, allowance, purpose, tx.now) {
            return Ok(Staged::Unchanged(Err(wait)));
        }
        tx.write(key, &budget);
        Ok(tx.commit(Ok(())))
    })
    .await
}
