//! Receipts and settled messages that have been kept for their time go, a few at a time.
//!
//! Orders and movements stay: they are the books, and they are what a re-sent order is recognised by when
//! its entry is gone.

use crate::kernel::Partition;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Shop;
use super::transaction::commit_once;
use crate::dedup::retention::is_over;
use crate::dedup::{JournalEntry, Reason, Verdict};
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::{PartyName, Timestamp};
use crate::outbox::{Delivery, DeliveryState};
use crate::store::{Batch, Cursor, Page, Scan, Unavailable};

/// How long what comes from each source is kept.
#[derive(Debug, Clone)]
pub struct Retention {
    /// By source.
    pub sources: BTreeMap<PartyName, Duration>,
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
#[derive(Debug, Clone, Default)]
pub struct Progress {
    after: Option<Cursor>,
}

/// Sweeps one step, from the oldest entry on. Returns how many documents went, and where to go on; none when
/// the rest is too young.
pub async fn sweep_step(
    shop: &Shop,
    retention: &Retention,
    progress: Progress,
) -> Result<(usize, Option<Progress>), Unavailable> {
    let now = shop.clock.now();
    let scan = Scan::Listed {
        kind: JournalEntry::KIND,
        newest_first: false,
        after: progress.after,
        limit: STEP_DOCS_MAX,
    };
    let Page { items, next } = shop.store.scan(&scan).await?;
    let reached_young =
        items.last().is_some_and(|(_, stored)| !is_over(stored.body.listed_at, retention.shortest(), now));
    let mut swept = 0;
    for (key, stored) in items {
        let entry: JournalEntry = match stored.document() {
            Ok(entry) => entry,
            Err(why) => {
                tracing::error!(record = %key, error = %why, "an entry of the journal cannot be read and stays");
                continue;
            }
        };
        let kept_for = retention.sources.get(&entry.source).copied().unwrap_or(retention.otherwise);
        if !may_go(&entry, kept_for, now) {
            continue;
        }
        // A test of callbacks has a message and no order.
        let has_messages = entry.record.number.is_some() || entry.reasons.contains(&Reason::TestEvent);
        let is_left_alone = has_messages && {
            let (gone, waiting) = sweep_messages(shop, key.partition, kept_for, now).await?;
            swept += gone;
            waiting
        };
        // While a message of its order waits the entry stays, and leads here again.
        if !is_left_alone {
            swept += delete(shop, key, stored.version).await?;
        }
    }
    Ok((swept, next.filter(|_| !reached_young).map(|next| Progress { after: Some(next) })))
}

/// A parked hook is kept longer than others, by this factor: its order may come yet, but not for ever.
const PARKED_FACTOR: u32 = 4;

fn may_go(entry: &JournalEntry, kept_for: Duration, now: Timestamp) -> bool {
    let factor = if entry.record.verdict == Verdict::Parked { PARKED_FACTOR } else { 1 };
    is_over(entry.last_at(), kept_for.saturating_mul(factor), now)
}

/// Sweeps the settled messages of an order whose entries go. The flag says whether one of them still waits.
async fn sweep_messages(
    shop: &Shop,
    partition: Partition,
    kept_for: Duration,
    now: Timestamp,
) -> Result<(usize, bool), Unavailable> {
    let (mut swept, mut waiting) = (0, false);
    let scan = Scan::Partition { partition, kind: Delivery::KIND };
    for (key, stored) in shop.store.scan(&scan).await?.items {
        let delivery: Delivery = stored.document()?;
        let is_settled = match delivery.state {
            DeliveryState::Pending { .. } => {
                waiting = true;
                false
            }
            DeliveryState::Sent { .. } | DeliveryState::Dead { .. } | DeliveryState::Dropped { .. } => true,
        };
        if is_settled && is_over(stored.body.listed_at, kept_for, now) {
            swept += delete(shop, key, stored.version).await?;
        }
    }
    Ok((swept, waiting))
}

/// One commit each: keys of one batch are of one partition.
async fn delete(shop: &Shop, key: DocKey, version: u64) -> Result<usize, Unavailable> {
    let mut batch = Batch::new();
    batch.delete(key, version);
    // What somebody has changed meanwhile is needed after all.
    Ok(usize::from(commit_once(&shop.store, batch).await?))
}
