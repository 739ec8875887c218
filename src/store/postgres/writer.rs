//! Commits in groups: all batches that wait go into one transaction, and each succeeds or conflicts alone.
//!
//! A group is judged as on the embedded store, batch after batch, each over what is stored and what those before it in
//! the group wrote. What is stored is locked first, in the order of the partitions, so that groups of several nodes wait
//! for one another and never in a circle. A batch that believes its partition to be empty, as nearly every new order
//! does, is staged without a look; when an insert then finds that it is not, the whole group is done again with one.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::group::{Group, partitions};
use super::link::{Connected, Link};
use super::{Failed, in_time, is_about_data, is_conflict};
use crate::store::batch::{Batch, Change, Expect};
use crate::store::{CommitError, Unavailable};

/// Connections for commits: while one waits for the disk, the next group is gathered and written on another.
const WRITERS: usize = 2;

/// The most batches in a group. It bounds how long the first of them waits.
const GROUP_BATCHES_MAX: usize = 512;

/// The most bytes that a group writes before it closes: what a statement can carry in its time.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often a group is begun anew because others were quicker.
const ATTEMPTS_MAX: u32 = 6;

/// What becomes of a batch.
type Outcome = Result<(), CommitError>;

/// A batch that somebody waits for.
pub struct Job {
    pub batch: Batch,
    pub answer: oneshot::Sender<Outcome>,
}

/// Starts the writers. They end with the sender of their jobs.
pub fn start(jobs: mpsc::Receiver<Job>, bell: &watch::Sender<u64>, link: impl Fn() -> Arc<Link>) {
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..WRITERS {
        tokio::spawn(run(Arc::clone(&jobs), link(), bell.clone()));
    }
}

async fn run(jobs: Arc<Mutex<mpsc::Receiver<Job>>>, link: Arc<Link>, bell: watch::Sender<u64>) {
    loop {
        let group = gather(&mut *jobs.lock().await).await;
        if group.is_empty() {
            return;
        }
        let (batches, answers): (Vec<Batch>, Vec<_>) =
            group.into_iter().map(|job| (job.batch, job.answer)).unzip();
        // In a task of its own, so that a mistake of ours ends one group and not the writer.
        let committing = {
            let link = Arc::clone(&link);
            tokio::spawn(async move { commit_all(&link, &batches).await })
        };
        let outcomes = match committing.await {
            Ok(outcomes) => outcomes,
            Err(panic) => {
                tracing::error!(error = %panic, "committing a group broke off");
                // Whatever was begun on its connection must not be ended by another group.
                link.forget().await;
                let why = Unavailable::Unreachable("committing broke off".into());
                answers.iter().map(|_| Err(why.clone().into())).collect()
            }
        };
        let has_messages = outcomes.iter().any(|outcome| outcome == &Ok(true));
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            let _ = answer.send(outcome.map(drop)); // whoever waited may have gone; the batch stands all the same
        }
        if has_messages {
            bell.send_modify(|rung| *rung += 1);
        }
    }
}

/// The batches that wait; nothing when there will be none.
async fn gather(jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let bytes_of = |job: &Job| -> usize {
        let of_docs = job.batch.docs.values().map(|(_, change)| match change {
            Change::Put(body) => body.bytes.len(),
            Change::Keep | Change::Delete => 0,
        });
        of_docs.sum()
    };
    let (mut group, mut bytes) = (Vec::new(), 0);
    let mut next = jobs.recv().await;
    while let Some(job) = next.take() {
        bytes += bytes_of(&job);
        group.push(job);
        if group.len() < GROUP_BATCHES_MAX && bytes < GROUP_BYTES_MAX {
            next = jobs.try_recv().ok();
        }
    }
    group
}

/// What became of a batch, and whether messages are among what it wrote.
type Committed = Result<bool, CommitError>;

/// Commits batches as one group. If the database will not have what is in one of them, the others do not suffer for it:
/// each half is tried by itself, and so on.
async fn commit_all(link: &Link, batches: &[Batch]) -> Vec<Committed> {
    match commit_group(link, batches).await {
        Ok(outcomes) => outcomes,
        Err(NotCommitted { is_about_data: true, .. }) if batches.len() > 1 => {
            let (one, other) = batches.split_at(batches.len() / 2);
            let mut outcomes = Box::pin(commit_all(link, one)).await;
            outcomes.extend(Box::pin(commit_all(link, other)).await);
            outcomes
        }
        Err(NotCommitted { why, .. }) => batches.iter().map(|_| Err(why.clone().into())).collect(),
    }
}

/// Why nothing of a group was committed.
struct NotCommitted {
    why: Unavailable,
    /// Whether what one of the batches holds is the reason.
    is_about_data: bool,
}

impl From<Unavailable> for NotCommitted {
    fn from(why: Unavailable) -> NotCommitted {
        NotCommitted { why, is_about_data: false }
    }
}

/// Why a group was not committed.
enum Undone {
    /// Somebody else was quicker: do it again, with a look at these partitions.
    Again(Vec<u64>),
    /// It cannot be done now.
    Failed(Failed),
}

impl From<Failed> for Undone {
    fn from(failed: Failed) -> Undone {
        match failed {
            Failed::Said(why) if is_conflict(&why) => Undone::Again(Vec::new()),
            failed @ (Failed::Said(_) | Failed::TooSlow | Failed::Warned(_)) => Undone::Failed(failed),
        }
    }
}

async fn commit_group(link: &Link, batches: &[Batch]) -> Result<Vec<Committed>, NotCommitted> {
    let mut must_look = HashSet::new();
    for _ in 0..ATTEMPTS_MAX {
        let connected = link.get().await?;
        let undone = match Box::pin(attempt(link, &connected, batches, &must_look)).await {
            Ok(outcomes) => return Ok(outcomes),
            Err(undone) => undone,
        };
        // A connection on which something went wrong within a transaction is only kept if that can be ended.
        let is_ended = !matches!(&undone, Undone::Failed(_))
            && in_time(connected.client.batch_execute("ROLLBACK")).await.is_ok();
        if !is_ended {
            link.abandon(&connected).await;
        }
        match undone {
            Undone::Again(partitions) => must_look.extend(partitions),
            Undone::Failed(why) => {
                let is_about_data = is_about_data(&why);
                return Err(NotCommitted { why: why.into(), is_about_data });
            }
        }
    }
    Err(Unavailable::Crowded.into())
}

/// Whether a batch can be staged without a look at what is stored: it believes that nothing is there, and inserts, which
/// finds out. One that inserts nothing would never know.
fn believes_in_nothing(batch: &Batch) -> bool {
    let inserts = |partition: u64| {
        let mut docs = batch.docs.iter();
        docs.any(|(key, (_, change))| key.partition == partition && matches!(change, Change::Put(_)))
    };
    let all_absent =
        batch.docs.iter().all(|(key, (expect, _))| *expect == Expect::Absent && inserts(key.partition));
    all_absent && !batch.docs.is_empty() && batch.settled.is_empty()
}

async fn attempt(
    link: &Link,
    connected: &Connected,
    batches: &[Batch],
    must_look: &HashSet<u64>,
) -> Result<Vec<Committed>, Undone> {
    let mut look = Vec::new();
    for batch in batches {
        let is_looked_for = |partition: &u64| !believes_in_nothing(batch) || must_look.contains(partition);
        look.extend(partitions(batch).filter(is_looked_for));
    }
    look.sort_unstable();
    look.dedup();
    let begun = in_time(connected.client.batch_execute("BEGIN"));
    let mut group = if look.is_empty() {
        begun.await?;
        Group::default()
    } else {
        let (begun, stored) = tokio::join!(biased; begun, Group::read(connected, batches, &look));
        begun?;
        stored?
    };
    let outcomes = batches.iter().map(|batch| group.admit(batch.clone())).collect();
    let missing = Box::pin(group.into_rows().write(connected)).await?;
    if !missing.is_empty() {
        return Err(Undone::Again(missing));
    }
    connected.without_warning(&link.address, connected.client.batch_execute("COMMIT")).await?;
    Ok(outcomes)
}
