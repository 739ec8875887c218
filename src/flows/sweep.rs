//! Receipts and settled messages that have been kept for their time go, a few at a time.
//!
//! Orders and movements stay: they are the books, and they are what a re-sent order is recognised by when
//! its receipt is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Shop;
use crate::dedup::retention::is_over;
use crate::dedup::{Receipt, Verdict};
use crate::kernel::{Kind, SourceName, Timestamp};
use crate::store::{Batch, CommitError, Cursor, Delivery, DeliveryState, DocKey, Page, Scan, Unavailable};

/// How long what comes from each source is kept.
#[derive(Debug, Clone)]
pub struct Retention {
    /// By source.
    pub sources: BTreeMap<SourceName, Duration>,
    /// For sources that are configured no more, and for messages.
    pub otherwise: Duration,
}

impl Retention {
    fn shortest(&self) -> Duration {
        self.sources.values().copied().chain([self.otherwise]).min().unwrap_or(self.otherwise)
    }
}

/// How many documents are looked at in one step.
const STEP_DOCS_MAX: usize = 200;

/// Where a sweep stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    after: Option<Cursor>,
}

/// Sweeps one step, from the oldest receipt on. Returns how many documents went, and where to go on; none when
/// the rest is too young.
pub async fn sweep_step(
    shop: &Shop,
    retention: &Retention,
    progress: Progress,
) -> Result<(usize, Option<Progress>), Unavailable> {
    let now = shop.clock.now();
    let scan = Scan::Listed {
        kind: Kind::Receipt,
        newest_first: false,
        after: progress.after,
        limit: STEP_DOCS_MAX,
    };
    let Page { items, next } = shop.store.scan(&scan).await?;
    let reached_young =
        items.last().is_some_and(|(_, stored)| !is_over(stored.body.listed_at, retention.shortest(), now));
    let mut swept = 0;
    for (key, stored) in items {
        let receipt: Receipt = stored.document()?;
        if !may_go(&receipt, retention, now) {
            continue;
        }
        swept += delete(shop, key, stored.version).await?;
        if receipt.number.is_some() {
            swept += sweep_messages(shop, key.partition, retention, now).await?;
        }
    }
    Ok((swept, next.filter(|_| !reached_young).map(|next| Progress { after: Some(next) })))
}

fn may_go(receipt: &Receipt, retention: &Retention, now: Timestamp) -> bool {
    let kept_for = retention.sources.get(&receipt.source).copied().unwrap_or(retention.otherwise);
    // A copy extends the life of what it copies: the sender evidently still repeats it.
    let last = receipt.last_copy_at.unwrap_or(receipt.received_at);
    receipt.verdict != Verdict::Parked && is_over(last, kept_for, now)
}

/// Sweeps the settled messages of an order whose receipts go.
async fn sweep_messages(
    shop: &Shop,
    partition: u64,
    retention: &Retention,
    now: Timestamp,
) -> Result<usize, Unavailable> {
    let mut swept = 0;
    let scan = Scan::Partition { partition, kind: Kind::Message };
    for (key, stored) in shop.store.scan(&scan).await?.items {
        let delivery: Delivery = stored.document()?;
        let is_settled = match delivery.state {
            DeliveryState::Pending { .. } => false,
            DeliveryState::Sent { .. } | DeliveryState::Dead { .. } | DeliveryState::Dropped { .. } => true,
        };
        if is_settled && is_over(stored.body.listed_at, retention.otherwise, now) {
            swept += delete(shop, key, stored.version).await?;
        }
    }
    Ok(swept)
}

/// One commit each: keys of one batch are of one partition.
async fn delete(shop: &Shop, key: DocKey, version: u64) -> Result<usize, Unavailable> {
    let mut batch = Batch::new();
    batch.delete(key, version);
    match shop.store.commit(batch).await {
        Ok(()) => Ok(1),
        Err(CommitError::Conflict | CommitError::LostLease) => Ok(0), // somebody needs it after all
        Err(CommitError::Unavailable(why)) => Err(why),
    }
}
