//! Before a payment system is called: is the account allowed the call? All receivers count together.

use std::time::Duration;

use super::{DECISIONS_MAX, Shop, crowded};
use crate::dedup::key;
use crate::kernel::{Kind, SourceName};
use crate::payments::{Allowance, Budget, Purpose};
use crate::store::{Batch, CommitError, DocKey, Expect, Unavailable};

/// Counts `calls` to the payment system `gateway` that are about to be made by `account`. The inner error says how long
/// there is no room for them.
pub async fn spend_budget(
    shop: &Shop,
    (gateway, account): (&SourceName, &str),
    calls: usize,
    (allowance, purpose): (Allowance, Purpose),
) -> Result<Result<(), Duration>, Unavailable> {
    let key = DocKey { partition: key::partition_of_account(gateway, account), kind: Kind::Budget, id: 0 };
    for _ in 0..DECISIONS_MAX {
        let stored = shop.store.load(&[key]).await?.pop().flatten();
        let (mut budget, expect) = match stored {
            Some(stored) => (stored.document()?, Expect::At(stored.version)),
            None => (Budget::default(), Expect::Absent),
        };
        let now = shop.clock.now();
        if let Err(wait) = budget.spend(calls, allowance, purpose, now) {
            return Ok(Err(wait));
        }
        let mut batch = Batch::new();
        batch.put(key, expect, &budget, now);
        match shop.store.commit(batch).await {
            Ok(()) => return Ok(Ok(())),
            Err(CommitError::Conflict | CommitError::LostLease) => {}
            Err(CommitError::Unavailable(why)) => return Err(why),
        }
    }
    Err(crowded())
}
