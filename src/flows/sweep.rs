//! Deletes journal entries and settled messages after their retention period, a
//! few at a time.
//!
//! Orders and movements stay: they are the books, and an order that is sent
//! again is recognised by them after its entry has been deleted. Of an
//! order that was never created, nothing but its number stays.

use crate::kernel::Partition;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Services;
use super::parties::remember_parties;
use super::transaction::commit_once;
use crate::dedup::retention::is_over;
use crate::dedup::{JournalEntry, Reason, Verdict};
use crate::kernel::{DocKey, Document};
use crate::kernel::{PartyName, Timestamp};
use crate::orders::{Order, listing};
use crate::outbox::{Delivery, DeliveryState};
use crate::payments::Checkout;
use crate::store::{Batch, Cursor, Expect, Page, Scan, Stored, Unavailable};

/// The retention periods of sources.
#[derive(Debug, Clone)]
pub struct Retention {
    /// The retention period of each source.
    pub sources: BTreeMap<PartyName, Duration>,
    /// The retention period for sources that are no longer configured.
    pub otherwise: Duration,
}

/// How many documents one step examines.
const STEP_DOCS_MAX: usize = 200;

/// The position of a sweep: the lists that are still to be swept, and the
/// position in the last of them.
#[derive(Debug, Clone)]
pub struct Progress {
    lists: Vec<(PartyName, Swept)>,
    after: Option<Cursor>,
}

/// What is swept of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swept {
    /// Entries of the journal with a verdict.
    Entries(Verdict),
    /// Orders that were never created.
    ParkedOrders,
}

impl Progress {
    /// Begins a sweep over the entries of all sources.
    pub async fn begin(services: &Services) -> Result<Progress, Unavailable> {
        let swept = || [Swept::ParkedOrders].into_iter().chain(Verdict::ALL.map(Swept::Entries));
        let of_party = |party: PartyName| swept().map(move |swept| (party.clone(), swept));
        let parties = remember_parties(services).await?;
        Ok(Progress { lists: parties.into_iter().flat_map(of_party).collect(), after: None })
    }

    /// The position after a step. The list goes on at `next`, unless the rest
    /// of it is too young.
    fn after(mut self, next: Option<Cursor>) -> Option<Progress> {
        if next.is_none() {
            self.lists.pop();
        }
        self.after = next;
        (!self.lists.is_empty()).then_some(self)
    }
}

/// Sweeps one step: some entries of one list, from the oldest on. Returns how
/// many documents were deleted, and where to continue; `None` at the end.
pub async fn sweep_step(
    services: &Services,
    retention: &Retention,
    progress: Progress,
) -> Result<(usize, Option<Progress>), Unavailable> {
    let now = services.clock.now();
    let Some((source, what)) = progress.lists.last() else { return Ok((0, None)) };
    let kept_for = retention.sources.get(source).copied().unwrap_or(retention.otherwise);
    let (list, is_parked) = match *what {
        Swept::ParkedOrders => (listing::parked(source), true),
        Swept::Entries(verdict) => {
            (JournalEntry::list(source, verdict), verdict == Verdict::Parked)
        }
    };
    let factor = if is_parked { PARKED_FACTOR } else { 1 };
    let entry_kept_for = kept_for.saturating_mul(factor);
    let scan = Scan::Lists {
        lists: vec![list],
        newest_first: false,
        after: progress.after.clone(),
        limit: STEP_DOCS_MAX,
    };
    let Page { items, next } = services.store.scan(&scan).await?;
    let reached_young = items
        .last()
        .is_some_and(|(_, stored)| !is_over(stored.body.listed_at, entry_kept_for, now));
    let mut swept = 0;
    for (key, stored) in items {
        if *what == Swept::ParkedOrders {
            swept += empty_parked_order(services, key, &stored, entry_kept_for, now).await?;
            continue;
        }
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
        if !is_over(entry.last_at(), entry_kept_for, now) {
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
    Ok((swept, progress.after(next.filter(|_| !reached_young))))
}

/// A parked hook is kept longer than others, by this factor: its order may
/// still be created, but not for ever.
const PARKED_FACTOR: u32 = 4;

/// Deletes the content of an order that was never created, if it is old enough.
/// Its number stays taken: another order may have got the next one because of
/// it.
async fn empty_parked_order(
    services: &Services,
    key: DocKey,
    stored: &Stored,
    kept_for: Duration,
    now: Timestamp,
) -> Result<usize, Unavailable> {
    let order: Order = match stored.document() {
        Ok(order) => order,
        Err(why) => {
            tracing::error!(
                record = %key,
                error = %why,
                "an order that was never created cannot be read and is not deleted"
            );
            return Ok(0);
        }
    };
    let last_at = order.events.iter().map(|event| event.arrived).max();
    if !is_over(last_at.unwrap_or(stored.body.listed_at), kept_for, now) {
        return Ok(0);
    }
    let checkout_key = Checkout::key(order.number);
    let checkout = services.store.load(&[checkout_key]).await?.pop().flatten();
    let emptied = Order { events: Vec::new(), flags: Vec::new(), seen: Vec::new(), ..order };
    let mut batch = Batch::new();
    batch.put(key, Expect::At(stored.version), &emptied, stored.body.listed_at);
    if let Some(checkout) = checkout {
        batch.delete(checkout_key, checkout.version); // it has the buyer's contact
    }
    Ok(usize::from(commit_once(&services.store, batch).await?))
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
