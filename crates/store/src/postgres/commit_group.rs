//! Commits batches as one group, and finds the batch that makes a group fail.

use super::failed::{Failed, FailureScope, blame, in_time, is_conflict};
use super::group::{Admitted, Group, partitions};
use super::link::{Connected, Link};
use super::seen_pages::SeenPages;
use super::suspects::Suspects;
use super::time::Time;
use crate::batch::{Batch, Change, Expect};
use crate::{CommitError, Unavailable};
use std::collections::{BTreeMap, HashSet};
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Partition, Timestamp};
use tokio_postgres::SimpleQueryMessage;

/// How often a group is retried after conflicts with other transactions.
const ATTEMPTS_MAX: u32 = 6;

/// The lock timeout for a half of a failed group, as SQL. It is short because
/// the other batches wait for it.
const HALF_LOCK_WAIT: &str = "SET LOCAL lock_timeout = '50ms'";

/// The outcome of a batch.
pub(super) type Committed = Result<Admitted, CommitError>;

/// The outcome of a batch after an attempt.
#[derive(Debug, Clone)]
pub(super) enum BatchOutcome {
    /// It was committed, or failed for good.
    Known(Committed),
    /// The server cannot commit anything, whatever the batch contains.
    ServerFailed(Unavailable),
    /// A row that it needs is locked by another transaction.
    Locked,
}

/// Commits batches over one link.
pub(super) struct Committer<'a> {
    pub(super) link: &'a Link,
    pub(super) time: &'a Time,
    pub(super) suspects: &'a Suspects,
    pub(super) seen: &'a SeenPages,
}

impl Committer<'_> {
    /// Commits batches as one group. If the group fails because of the contents
    /// of one batch, or because of a lock, the other batches must not fail with
    /// it: each half is tried separately, and so on, with the shorter lock
    /// timeout `patience`.
    pub(super) async fn commit_all(
        &self,
        batches: &[Batch],
        patience: Option<&'static str>,
    ) -> Vec<BatchOutcome> {
        let Committer { suspects, .. } = self;
        // The other half may have found a failing batch that uses the same
        // partitions as some of these.
        let is_suspect: Vec<bool> =
            batches.iter().map(|batch| patience.is_some() && suspects.has(batch)).collect();
        if is_suspect.contains(&true) {
            let innocent = batches.iter().zip(&is_suspect).filter(|(_, is_suspect)| !**is_suspect);
            let innocent: Vec<Batch> = innocent.map(|(batch, _)| batch.clone()).collect();
            let mut fates = Vec::new();
            if !innocent.is_empty() {
                fates = Box::pin(self.commit_all(&innocent, patience)).await;
            }
            let mut fates = fates.into_iter();
            let fate = |is_suspect| if is_suspect { None } else { fates.next() };
            return is_suspect
                .into_iter()
                .map(fate)
                .map(|fate| fate.unwrap_or(BatchOutcome::Locked))
                .collect();
        }
        match self.commit_group(batches, patience).await {
            Ok(fates) => fates,
            Err(NotCommitted { blame: FailureScope::Data | FailureScope::Lock, .. })
                if batches.len() > 1 =>
            {
                let (one, other) = batches.split_at(batches.len() / 2);
                let mut fates = Box::pin(self.commit_all(one, Some(HALF_LOCK_WAIT))).await;
                fates.extend(Box::pin(self.commit_all(other, Some(HALF_LOCK_WAIT))).await);
                fates
            }
            Err(NotCommitted { blame: FailureScope::Lock, .. }) => {
                batches.iter().for_each(|batch| suspects.add(batch));
                batches.iter().map(|_| BatchOutcome::Locked).collect()
            }
            Err(NotCommitted { blame: FailureScope::Server, why }) => {
                batches.iter().map(|_| BatchOutcome::ServerFailed(why.clone())).collect()
            }
            Err(NotCommitted { blame: FailureScope::Data | FailureScope::Unknown, why }) => {
                batches.iter().map(|_| BatchOutcome::Known(Err(why.clone().into()))).collect()
            }
        }
    }

    /// Commits batches whose partitions are suspected to be locked: all batches
    /// of one partition together, and one partition after another.
    pub(super) async fn commit_aside(&self, batches: &[Batch]) -> Vec<BatchOutcome> {
        let Committer { suspects, .. } = self;
        let mut of_partition: BTreeMap<Option<Partition>, Vec<usize>> = BTreeMap::new();
        for (place, batch) in batches.iter().enumerate() {
            of_partition.entry(partitions(batch).next()).or_default().push(place);
        }
        let mut fates = vec![BatchOutcome::Locked; batches.len()];
        for places in of_partition.into_values() {
            let group: Vec<Batch> = places.iter().map(|&place| batches[place].clone()).collect();
            let of_group = match self.commit_group(&group, Some(HALF_LOCK_WAIT)).await {
                Ok(fates) => fates,
                Err(NotCommitted { blame: FailureScope::Lock, .. }) => {
                    suspects.add(&group[0]);
                    continue;
                }
                // One by one, to find the batch that fails.
                Err(NotCommitted { blame: FailureScope::Data, .. }) => {
                    let mut fates = Vec::new();
                    for batch in &group {
                        fates.extend(self.commit_all(std::slice::from_ref(batch), None).await);
                    }
                    fates
                }
                Err(NotCommitted { blame: FailureScope::Server, why }) => {
                    vec![BatchOutcome::ServerFailed(why); group.len()]
                }
                Err(NotCommitted { blame: FailureScope::Unknown, why }) => {
                    vec![BatchOutcome::Known(Err(why.into())); group.len()]
                }
            };
            for (place, fate) in places.into_iter().zip(of_group) {
                fates[place] = fate;
            }
        }
        fates
    }

    async fn commit_group(
        &self,
        batches: &[Batch],
        patience: Option<&'static str>,
    ) -> Result<Vec<BatchOutcome>, NotCommitted> {
        let Committer { link, time, seen, .. } = self;
        // What a floor allows is not known before its counters are locked.
        let is_insert = |batch: &Batch| {
            let has_page = |partition| seen.has(partition);
            believes_in_nothing(batch)
                && batch.floors.is_empty()
                && !partitions(batch).any(has_page)
        };
        if patience.is_none() && batches.iter().all(is_insert) {
            let connected = link.get().await?;
            match insert_group(link, time, &connected, batches).await {
                Ok(Some(fates)) => return Ok(fates),
                // Something is there already, or the group needs more than
                // inserts.
                Ok(None) => {}
                Err(why) => {
                    let blame = blame(&why);
                    if matches!(blame, FailureScope::Unknown | FailureScope::Server) {
                        link.abandon(&connected).await;
                    }
                    return Err(NotCommitted { why: why.into(), blame });
                }
            }
        }
        let all = batches.iter().flat_map(partitions);
        let mut must_look: HashSet<Partition> =
            all.filter(|partition| seen.has(*partition)).collect();
        for _ in 0..ATTEMPTS_MAX {
            let connected = link.get().await?;
            let undone = match Box::pin(attempt(
                link, time, patience, &connected, batches, &must_look,
            ))
            .await
            {
                Ok(fates) => return Ok(fates),
                Err(undone) => undone,
            };
            let blame = match &undone {
                GroupFailure::Again(_) => None,
                GroupFailure::Failed(why) => Some(blame(why)),
            };
            // A connection on which a transaction failed is only kept if that
            // transaction can be rolled back.
            let may_end = !matches!(blame, Some(FailureScope::Unknown | FailureScope::Server));
            let is_ended =
                may_end && in_time(connected.client.batch_execute("ROLLBACK")).await.is_ok();
            if !is_ended {
                link.abandon(&connected).await;
            }
            match undone {
                GroupFailure::Again(partitions) => must_look.extend(partitions),
                GroupFailure::Failed(why) => {
                    return Err(NotCommitted {
                        why: why.into(),
                        blame: blame.unwrap_or(FailureScope::Unknown),
                    });
                }
            }
        }
        Err(Unavailable::Crowded.into())
    }
}

/// The reason why nothing of a group was committed.
struct NotCommitted {
    why: Unavailable,
    blame: FailureScope,
}

impl From<Unavailable> for NotCommitted {
    fn from(why: Unavailable) -> NotCommitted {
        NotCommitted { why, blame: FailureScope::Unknown }
    }
}

/// The reason why an attempt did not commit a group.
enum GroupFailure {
    /// Another transaction was first: retry, and read these partitions before.
    Again(Vec<Partition>),
    /// It cannot be committed now.
    Failed(Failed),
}

impl From<Failed> for GroupFailure {
    fn from(failed: Failed) -> GroupFailure {
        if matches!(&failed, Failed::PrimaryStatus(why) if is_conflict(why)) {
            return GroupFailure::Again(Vec::new());
        }
        GroupFailure::Failed(failed)
    }
}

/// Whether a batch can be staged without reading what is stored: it expects
/// everything to be absent and inserts, and a failing insert shows that it was
/// wrong. A batch that inserts nothing would never find out.
fn believes_in_nothing(batch: &Batch) -> bool {
    let inserts = |partition: Partition| {
        let mut docs = batch.docs.iter();
        docs.any(|(key, (_, change))| {
            key.partition == partition && matches!(change, Change::Put(_) | Change::Wake { .. })
        })
    };
    let all_absent = batch
        .docs
        .iter()
        .all(|(key, (expect, _))| *expect == Expect::Absent && inserts(key.partition));
    all_absent && !batch.docs.is_empty() && batch.settled.is_empty()
}

/// Commits a group of new things by one statement. Returns `None` if that is
/// not possible, and nothing was written.
async fn insert_group(
    link: &Link,
    time: &Time,
    connected: &Connected,
    batches: &[Batch],
) -> Result<Option<Vec<BatchOutcome>>, Failed> {
    let now = match time.of_a_test() {
        Some(now) => now,
        None if !batches.iter().any(Batch::needs_time) => 0,
        None => match connected.time() {
            Some(now) => now,
            None => connected.read_time().await?,
        },
    };
    let mut group = Group::default();
    let admit =
        |batch: &Batch| BatchOutcome::Known(group.admit(batch.clone().stamped(from_micros(now))));
    let fates: Vec<BatchOutcome> = batches.iter().map(admit).collect();
    let rows = group.into_rows();
    if !rows.are_all_new() {
        return Ok(None);
    }
    match rows.insert_and_commit(connected, &link.address).await {
        Ok(()) => Ok(Some(fates)),
        Err(Failed::PrimaryStatus(why)) if is_conflict(&why) => Ok(None),
        Err(why) => Err(why),
    }
}

async fn attempt(
    link: &Link,
    time: &Time,
    patience: Option<&'static str>,
    connected: &Connected,
    batches: &[Batch],
    must_look: &HashSet<Partition>,
) -> Result<Vec<BatchOutcome>, GroupFailure> {
    let mut look = Vec::new();
    for batch in batches {
        let is_looked_for =
            |partition: &Partition| !believes_in_nothing(batch) || must_look.contains(partition);
        look.extend(partitions(batch).filter(is_looked_for));
    }
    look.sort_unstable();
    look.dedup();
    let begun = begin(connected, time, batches.iter().any(Batch::needs_time));
    let (mut group, now) = if look.is_empty() {
        (Group::default(), begun.await?)
    } else {
        let (begun, stored) = tokio::join!(biased; begun, Group::read(connected, batches, &look));
        let now = begun?;
        (stored?, now)
    };
    if let Some(patience) = patience {
        in_time(connected.client.batch_execute(patience)).await?;
    }
    group.read_counters(connected, batches).await?;
    let mut admit = |batch: &Batch| {
        if group.is_locked(batch) {
            return BatchOutcome::Locked;
        }
        BatchOutcome::Known(group.admit(batch.clone().stamped(now)))
    };
    let fates: Vec<BatchOutcome> = batches.iter().map(&mut admit).collect();
    let unread = unread_of_short(connected, batches, &group, &fates).await?;
    if !unread.is_empty() {
        return Err(GroupFailure::Again(unread));
    }
    let missing = Box::pin(group.into_rows().write(connected)).await?;
    if !missing.is_empty() {
        return Err(GroupFailure::Again(missing));
    }
    connected.without_warning(&link.address, connected.client.batch_execute("COMMIT")).await?;
    Ok(fates)
}

/// The partitions of batches that are short in which something is stored that
/// was not read. It may be a copy of the batch, committed before the locks of
/// the sum were got, that has used up the sum.
async fn unread_of_short(
    connected: &Connected,
    batches: &[Batch],
    group: &Group,
    fates: &[BatchOutcome],
) -> Result<Vec<Partition>, Failed> {
    let is_short =
        |fate: &BatchOutcome| matches!(fate, BatchOutcome::Known(Err(CommitError::Short { .. })));
    let short = batches.iter().zip(fates).filter(|(_, fate)| is_short(fate));
    let absent: Vec<Partition> = short
        .flat_map(|(batch, _)| partitions(batch))
        .filter(|partition| group.lacks(*partition))
        .collect();
    if absent.is_empty() {
        return Ok(Vec::new());
    }
    Ok(Group::appeared(connected, &absent).await?.into_iter().collect())
}

/// Begins a transaction. Returns the current time if that `is_needed`: what the
/// transaction writes is due by it.
async fn begin(connected: &Connected, time: &Time, is_needed: bool) -> Result<Timestamp, Failed> {
    let known = || if is_needed { connected.time() } else { Some(0) };
    if let Some(now) = time.of_a_test().or_else(known) {
        in_time(connected.client.batch_execute("BEGIN")).await?;
        return Ok(from_micros(now));
    }
    let text = "BEGIN; SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let answers = in_time(connected.client.simple_query(text)).await?;
    let micros = answers.iter().find_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0)?.parse().ok()
    });
    let micros = micros.ok_or(Failed::NotWritable("returned no time"))?;
    connected.note_time(micros);
    Ok(from_micros(micros))
}
