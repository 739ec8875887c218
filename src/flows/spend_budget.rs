//! Checks before calls to a payment system whether the account may make them.
//! All receivers share the budget.

use std::time::Duration;

use super::Services;
use super::transaction::{Staged, Versioned, transact};
use crate::dedup::key;
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::PartyName;
use crate::payments::{Allowance, Budget, CallsFor, Purpose};
use crate::store::Unavailable;

/// Counts `calls` that `account` is about to make to the payment system
/// `gateway`, on behalf of a merchant. The inner error says how long to wait
/// until they are allowed.
pub async fn spend_budget(
    services: &Services,
    gateway: &PartyName,
    account: &str,
    calls: usize,
    allowance: Allowance,
    purpose: Purpose,
    by: CallsFor<'_>,
) -> Result<Result<(), Duration>, Unavailable> {
    let key = DocKey {
        partition: key::partition_of_account(gateway, account),
        kind: Budget::KIND,
        id: 0,
    };
    transact(services, "spend_budget", |mut tx| async move {
        let known = tx.read(key).await?;
        let mut budget = known.unwrap_or_else(|| Versioned::new(Budget::default(), tx.now));
        if let Err(wait) = budget.spend(calls, allowance, purpose, by, tx.now) {
            return Ok(Staged::Unchanged(Err(wait)));
        }
        tx.write(key, &budget);
        Ok(tx.commit(Ok(())))
    })
    .await
}
