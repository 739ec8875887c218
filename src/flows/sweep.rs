//! Deletes journal entries and settled messages after their retention period, a
//! few at a time.
//!
//! Orders and movements stay: they are the books, and an order that is sent
//! again is recognised by them after its entry has been deleted.

use crate::kernel::Partition;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Services;
use super::transaction::commit_once;
use crate::dedup::retention::is_over;
use crate::dedup::{JournalEntry, Reason, Verdict};
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::{PartyName, Timestamp};
use crate::outbox::{Delivery, DeliveryState};
use crate::store::{Batch, Cursor, Page, Scan, Unavailable};

/// The retention periods of sources.
#[derive(Debug, Clone)]
pub struct Retention {
    /// The retention period of each source.
    pub sources: BTreeMap<PartyName, Duration>,
    /// The retention period for sources that are no longer configured.
    pub otherwise: Duration,
}

impl Retention {
    fn shortest(&self) -> Duration {
        self.sources.values().copied().chain([self.otherwise]).min().unwrap_or(self.otherwise)
    }
}

/// How many documents one step examines.
const STEP_DOCS_MAX: usize = 200;

/// The position of a sweep.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    after: Option<Cursor>,
}

/// Sweeps one step, from the oldest entry on. Returns how many documents were
/// deleted, and where to continue; `None` when the rest is too young.
pub async fn sweep_step(
    services: &Services,
    retention: &Retention,
    progress: Progress,
) -> Result<(usize, Option<Progress>), Unavailable> {
    let now = services.clock.now();
    let scan = Scan::Listed {
        kind: JournalEntry::KIND,
        newest_first: false,
        after: progress.after,
        limit: STEP_DOCS_MAX,
    };
    let Page { items, next } = services.store.scan(&scan).await?;
    let reached_young = items
        .last()
        .is_some_and(|(_, stored)| !is_over(stored.body.listed_at, retention.shortest(), now));
    let mut swept = 0;
    for (key, stored) in items {
        let entry: JournalEntry = match stored.document() {
            Ok(entry) => entry,
            Err(why) => {
                tracing::error!(
                    record = %key,
                    error = %why,
                    "an entry of the journal cannot be read and is not deleted"
                );
                continue;
            }
        };
        let kept_for = retention.sources.get(&entry.source).copied().unwrap_or(retention.otherwise);
        if !may_go(&entry, kept_for, now) {
            continue;
        }
        // A test callback has a message, but no order.
        let has_messages =
            entry.record.number.is_some() || entry.reasons.contains(&Reason::TestEvent);
        let is_left_alone = has_messages && {
            let (gone, waiting) = sweep_messages(services, key.partition, kept_for, now).await?;
            swept += gone;
            waiting
        };
        // While a message of the order waits, the entry stays, so that a later
        // sweep finds the message through it.
        if !is_left_alone {
            swept += delete(services, key, stored.version).await?;
        }
    }
    Ok((swept, next.filter(|_| !reached_young).map(|next| Progress { after: Some(next) })))
}

/// A parked hook is kept longer than others, by this factor: its order may
/// still be created, but not for ever.
const PARKED_FACTOR: u32 = 4;

fn may_go(entry: &JournalEntry, kept_for: Duration, now: Timestamp) -> bool {
    let factor = if entry.record.verdict == Verdict::Parked { PARKED_FACTOR } else { 1 };
    is_over(entry.last_at(), kept_for.saturating_mul(factor), now)
}

/// Deletes the settled messages of an order whose entries are deleted. The flag
/// says whether a message still waits.
async fn sweep_messages(
    services: &Services,
    partition: Partition,
    kept_for: Duration,
    now: Timestamp,
) -> Result<(usize, bool), Unavailable> {
    let (mut swept, mut waiting) = (0, false);
    let scan = Scan::Partition { partition, kind: Delivery::KIND };
    for (key, stored) in services.store.scan(&scan).await?.items {
        let delivery: Delivery = stored.document()?;
        let is_settled = match delivery.state {
            DeliveryState::Pending { .. } => {
                waiting = true;
                false
            }
            DeliveryState::Sent { .. }
            | DeliveryState::Dead { .. }
            | DeliveryState::Dropped { .. } => true,
        };
        if is_settled && is_over(stored.body.listed_at, kept_for, now) {
            swept += delete(services, key, stored.version).await?;
        }
    }
    Ok((swept, waiting))
}

/// Deletes with one commit per document, because the keys of a batch must be in
/// one partition.
async fn delete(services: &Services, key: DocKey, version: u64) -> Result<usize, Unavailable> {
    let mut batch = Batch::new();
    batch.delete(key, version);
    // A document that has changed in the meantime is still needed.
    Ok(usize::from(commit_once(&services.store, batch).await?))
}
