//! Commits batches as one group, and finds the one that spoils it.

use super::failed::{Blame, Failed, blame, in_time, is_conflict};
use super::group::{Group, partitions};
use super::link::{Connected, Link};
use super::suspects::Suspects;
use super::time::Time;
use crate::batch::{Batch, Change, Expect};
use crate::{CommitError, Unavailable};
use std::collections::{BTreeMap, HashSet};
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Partition, Timestamp};
use tokio_postgres::SimpleQueryMessage;

/// How often a group is begun again because others were quicker.
const ATTEMPTS_MAX: u32 = 6;

/// How long a half of a failed group may wait for a lock, in the database's words: the others wait for it.
const HALF_LOCK_WAIT: &str = "SET LOCAL lock_timeout = '50ms'";

/// What became of a batch, and whether messages are among what it wrote.
pub(super) type Committed = Result<bool, CommitError>;

/// What is known of a batch after an attempt.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It was committed, or will not be.
    Known(Committed),
    /// The server could not, whatever the batch holds.
    ServerFailed(Unavailable),
    /// Something that it is about is locked by somebody else.
    Locked,
}

/// What committing needs.
pub(super) struct Committer<'a> {
    pub(super) link: &'a Link,
    pub(super) time: &'a Time,
    pub(super) suspects: &'a Suspects,
}

impl Committer<'_> {
    /// Commits batches as one group. If it fails because of what one of them holds, or is about, the others do not suffer for
    /// it: each half is tried by itself, and so on, with less `patience` for locks.
    pub(super) async fn commit_all(&self, batches: &[Batch], patience: Option<&'static str>) -> Vec<Fate> {
        let Committer { link, time, suspects } = self;
        // In the other half a culprit may have been found that is about the same as some of these.
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
            return is_suspect.into_iter().map(fate).map(|fate| fate.unwrap_or(Fate::Locked)).collect();
        }
        match commit_group(link, time, batches, patience).await {
            Ok(fates) => fates,
            Err(NotCommitted { blame: Blame::Data | Blame::Lock, .. }) if batches.len() > 1 => {
                let (one, other) = batches.split_at(batches.len() / 2);
                let mut fates = Box::pin(self.commit_all(one, Some(HALF_LOCK_WAIT))).await;
                fates.extend(Box::pin(self.commit_all(other, Some(HALF_LOCK_WAIT))).await);
                fates
            }
            Err(NotCommitted { blame: Blame::Lock, .. }) => {
                batches.iter().for_each(|batch| suspects.add(batch));
                batches.iter().map(|_| Fate::Locked).collect()
            }
            Err(NotCommitted { blame: Blame::Server, why }) => {
                batches.iter().map(|_| Fate::ServerFailed(why.clone())).collect()
            }
            Err(NotCommitted { blame: Blame::Data | Blame::Unknown, why }) => {
                batches.iter().map(|_| Fate::Known(Err(why.clone().into()))).collect()
            }
        }
    }

    /// Commits batches that are about partitions which are suspected to be locked: those about one partition together, and one
    /// partition after another.
    pub(super) async fn commit_aside(&self, batches: &[Batch]) -> Vec<Fate> {
        let Committer { link, time, suspects } = self;
        let mut of_partition: BTreeMap<Option<Partition>, Vec<usize>> = BTreeMap::new();
        for (place, batch) in batches.iter().enumerate() {
            of_partition.entry(partitions(batch).next()).or_default().push(place);
        }
        let mut fates = vec![Fate::Locked; batches.len()];
        for places in of_partition.into_values() {
            let group: Vec<Batch> = places.iter().map(|&place| batches[place].clone()).collect();
            let of_group = match commit_group(link, time, &group, Some(HALF_LOCK_WAIT)).await {
                Ok(fates) => fates,
                Err(NotCommitted { blame: Blame::Lock, .. }) => {
                    suspects.add(&group[0]);
                    continue;
                }
                // One after another, to find the one.
                Err(NotCommitted { blame: Blame::Data, .. }) => {
                    let mut fates = Vec::new();
                    for batch in &group {
                        fates.extend(self.commit_all(std::slice::from_ref(batch), None).await);
                    }
                    fates
                }
                Err(NotCommitted { blame: Blame::Server, why }) => vec![Fate::ServerFailed(why); group.len()],
                Err(NotCommitted { blame: Blame::Unknown, why }) => {
                    vec![Fate::Known(Err(why.into())); group.len()]
                }
            };
            for (place, fate) in places.into_iter().zip(of_group) {
                fates[place] = fate;
            }
        }
        fates
    }
}

/// Why nothing of a group was committed.
struct NotCommitted {
    why: Unavailable,
    blame: Blame,
}

impl From<Unavailable> for NotCommitted {
    fn from(why: Unavailable) -> NotCommitted {
        NotCommitted { why, blame: Blame::Unknown }
    }
}

/// Why a group was not committed.
enum Undone {
    /// Somebody else was quicker: do it again, with a look at these partitions.
    Again(Vec<Partition>),
    /// It cannot be done now.
    Failed(Failed),
}

impl From<Failed> for Undone {
    fn from(failed: Failed) -> Undone {
        if matches!(&failed, Failed::Said(why) if is_conflict(why)) {
            return Undone::Again(Vec::new());
        }
        Undone::Failed(failed)
    }
}

async fn commit_group(
    link: &Link,
    time: &Time,
    batches: &[Batch],
    patience: Option<&'static str>,
) -> Result<Vec<Fate>, NotCommitted> {
    let mut must_look = HashSet::new();
    for _ in 0..ATTEMPTS_MAX {
        let connected = link.get().await?;
        let undone = match Box::pin(attempt(link, time, patience, &connected, batches, &must_look)).await {
            Ok(fates) => return Ok(fates),
            Err(undone) => undone,
        };
        let blame = match &undone {
            Undone::Again(_) => None,
            Undone::Failed(why) => Some(blame(why)),
        };
        // A connection on which something went wrong within a transaction is only kept if that can be ended.
        let may_end = !matches!(blame, Some(Blame::Unknown | Blame::Server));
        let is_ended = may_end && in_time(connected.client.batch_execute("ROLLBACK")).await.is_ok();
        if !is_ended {
            link.abandon(&connected).await;
        }
        match undone {
            Undone::Again(partitions) => must_look.extend(partitions),
            Undone::Failed(why) => {
                return Err(NotCommitted { why: why.into(), blame: blame.unwrap_or(Blame::Unknown) });
            }
        }
    }
    Err(Unavailable::Crowded.into())
}

/// Whether a batch can be staged without a look at what is stored: it believes that nothing is there, and inserts, which
/// finds out. One that inserts nothing would never know.
fn believes_in_nothing(batch: &Batch) -> bool {
    let inserts = |partition: Partition| {
        let mut docs = batch.docs.iter();
        docs.any(|(key, (_, change))| {
            key.partition == partition && matches!(change, Change::Put(_) | Change::Wake { .. })
        })
    };
    let all_absent =
        batch.docs.iter().all(|(key, (expect, _))| *expect == Expect::Absent && inserts(key.partition));
    all_absent && !batch.docs.is_empty() && batch.settled.is_empty()
}

async fn attempt(
    link: &Link,
    time: &Time,
    patience: Option<&'static str>,
    connected: &Connected,
    batches: &[Batch],
    must_look: &HashSet<Partition>,
) -> Result<Vec<Fate>, Undone> {
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
    let mut admit = |batch: &Batch| {
        if group.is_locked(batch) {
            return Fate::Locked;
        }
        Fate::Known(group.admit(batch.clone().stamped(now)))
    };
    let fates = batches.iter().map(&mut admit).collect();
    let missing = Box::pin(group.into_rows().write(connected)).await?;
    if !missing.is_empty() {
        return Err(Undone::Again(missing));
    }
    connected.without_warning(&link.address, connected.client.batch_execute("COMMIT")).await?;
    Ok(fates)
}

/// Begins a transaction. Returns the time by which what it writes is due, if that `is_needed`.
async fn begin(connected: &Connected, time: &Time, is_needed: bool) -> Result<Timestamp, Failed> {
    if let (Some(now), _) | (None, Some(now)) = (time.of_a_test(), (!is_needed).then_some(0)) {
        in_time(connected.client.batch_execute("BEGIN")).await?;
        return Ok(from_micros(now));
    }
    let text = "BEGIN; SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let said = in_time(connected.client.simple_query(text)).await?;
    let micros = said.iter().find_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0)?.parse().ok()
    });
    micros.map(from_micros).ok_or_else(|| Failed::Unfit("tells no time"))
}
