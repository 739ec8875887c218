//! Commits in groups: all batches that wait go into one transaction, and each succeeds or conflicts alone.
//!
//! A group is judged as on the embedded store, batch after batch, each over what is stored and what those before it in
//! the group wrote. What is stored is locked first, in the order of the partitions, so that groups of several nodes wait
//! for one another and never in a circle. A batch that believes its partition to be empty, as nearly every new order
//! does, is staged without a look; when an insert then finds that it is not, the whole group is done again with one.
//!
//! What is locked elsewhere holds nobody else up: a batch whose page is locked leaves the group and comes back a moment
//! later; a group that fails by a lock or a time-out is halved until the culprit is alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_postgres::SimpleQueryMessage;

use super::group::{Group, partitions};
use super::link::{Connected, Link};
use super::{Blame, Failed, Time, blame, in_time, is_conflict};
use crate::kernel::time::from_micros;
use crate::kernel::{Stopwatch, Timestamp};
use crate::store::batch::{Batch, Change, Expect};
use crate::store::{CommitError, Unavailable};

/// Connections for commits: while one waits for the disk, the next group is gathered and written on another.
const WRITERS: usize = 2;

/// The most batches in a group. It bounds how long the first of them waits.
const GROUP_BATCHES_MAX: usize = 512;

/// The most bytes that a group writes before it closes: what a statement can carry in its time.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often a group is begun again because others were quicker.
const ATTEMPTS_MAX: u32 = 6;

/// How long a batch waits for what is locked elsewhere. Whoever waits for the batch has an answer before its sender gives up.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(1500);

/// Between two attempts at a page that is locked: as long as a commit takes.
const LOCKED_PAGE_PAUSE: Duration = Duration::from_millis(5);

/// Between two attempts of a batch that fails a group by a lock or a time-out: each of them holds up a writer.
const CULPRIT_PAUSE: Duration = Duration::from_millis(300);

/// What becomes of a batch.
type Outcome = Result<(), CommitError>;

/// A batch that somebody waits for.
pub struct Job {
    batch: Batch,
    answer: oneshot::Sender<Outcome>,
    /// Since when it has been waiting for a lock.
    locked: Option<Stopwatch>,
    /// It has failed a group, and is tried by itself.
    is_alone: bool,
}

impl Job {
    pub fn new(batch: Batch, answer: oneshot::Sender<Outcome>) -> Job {
        Job { batch, answer, locked: None, is_alone: false }
    }
}

/// The jobs that wait.
struct Queue {
    jobs: mpsc::Receiver<Job>,
    /// One that was taken and is for the next group.
    held: Option<Job>,
}

/// Why the server could not commit last time, whatever it was given; none when it could.
pub type Trouble = Arc<std::sync::Mutex<Option<(Stopwatch, String)>>>;

/// A thread of commits.
struct Writer {
    queue: Arc<Mutex<Queue>>,
    /// Where jobs come back that are locked elsewhere.
    again: mpsc::WeakSender<Job>,
    link: Arc<Link>,
    bell: watch::Sender<u64>,
    trouble: Trouble,
    time: Time,
}

/// Starts the writers. They end with the sender of their jobs.
pub fn start(
    (sender, jobs): (&mpsc::Sender<Job>, mpsc::Receiver<Job>),
    (bell, trouble, time): (&watch::Sender<u64>, &Trouble, &Time),
    link: impl Fn() -> Arc<Link>,
) {
    let queue = Arc::new(Mutex::new(Queue { jobs, held: None }));
    for _ in 0..WRITERS {
        let writer = Writer {
            queue: Arc::clone(&queue),
            again: sender.downgrade(),
            link: link(),
            bell: bell.clone(),
            trouble: Arc::clone(trouble),
            time: time.clone(),
        };
        tokio::spawn(writer.run());
    }
}

impl Writer {
    async fn run(self) {
        loop {
            let group = self.queue.lock().await.gather().await;
            if group.is_empty() {
                return;
            }
            let (mut batches, mut others) =
                (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
            for Job { batch, answer, locked, is_alone } in group {
                batches.push(batch);
                others.push((answer, locked, is_alone));
            }
            // In a task of its own, so that a mistake of ours ends one group and not the writer.
            let (link, batches) = (Arc::clone(&self.link), Arc::new(batches));
            let committing = {
                let (batches, time) = (Arc::clone(&batches), self.time.clone());
                tokio::spawn(async move { commit_all(&link, &time, &batches).await })
            };
            let fates = match committing.await {
                Ok(fates) => fates,
                Err(panic) => {
                    tracing::error!(error = %panic, "committing a group broke off");
                    // Whatever was begun on its connection must not be ended by another group.
                    self.link.forget().await;
                    let why = Unavailable::Unreachable("committing broke off".into());
                    others.iter().map(|_| Fate::Known(Err(why.clone().into()))).collect()
                }
            };
            let mut has_messages = false;
            for (place, (fate, (answer, locked, was_alone))) in fates.into_iter().zip(others).enumerate() {
                match fate {
                    Fate::Known(outcome) => {
                        has_messages |= outcome == Ok(true);
                        self.note(&outcome, None);
                        let _ = answer.send(outcome.map(drop)); // whoever waited may have gone; the batch stands all the same
                    }
                    Fate::ServerFailed(why) => {
                        let outcome = Err(why.clone().into());
                        self.note(&outcome, Some(why.to_string()));
                        let _ = answer.send(outcome.map(drop));
                    }
                    Fate::Locked { is_culprit } => {
                        let job = Job {
                            batch: batches[place].clone(),
                            answer,
                            locked: Some(locked.unwrap_or_else(Stopwatch::start)),
                            is_alone: was_alone || is_culprit,
                        };
                        self.try_again(job);
                    }
                }
            }
            if has_messages {
                self.bell.send_modify(|rung| *rung += 1);
            }
        }
    }

    /// Notes whether the server can commit.
    fn note(&self, outcome: &Committed, failed: Option<String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match failed {
            Some(why) => *trouble = Some((Stopwatch::start(), why)),
            None if outcome.is_ok() => *trouble = None,
            None => {}
        }
    }

    /// Has a batch tried again in a moment, unless it has waited long enough.
    fn try_again(&self, job: Job) {
        let has_waited = job.locked.map(Stopwatch::elapsed).unwrap_or_default();
        let again = self.again.upgrade().filter(|_| has_waited < LOCK_WAIT_MAX);
        let Some(again) = again else {
            let why = Unavailable::Unreachable("what is to be changed is locked by somebody else".into());
            let _ = job.answer.send(Err(why.into()));
            return;
        };
        let pause = if job.is_alone { CULPRIT_PAUSE } else { LOCKED_PAGE_PAUSE };
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = again.send(job).await; // a store that was closed tells whoever waits by dropping it
        });
    }
}

impl Queue {
    /// The batches that wait; nothing when there will be none.
    async fn gather(&mut self) -> Vec<Job> {
        let bytes_of = |job: &Job| -> usize {
            let of_docs = job.batch.docs.values().map(|(_, change)| match change {
                Change::Put(body) => body.bytes.len(),
                Change::Wake { delivery, .. } => delivery.body.len(),
                Change::Keep | Change::Delete => 0,
            });
            of_docs.sum()
        };
        let (mut group, mut bytes) = (Vec::new(), 0);
        let mut next = match self.held.take() {
            Some(held) => Some(held),
            None => self.jobs.recv().await,
        };
        while let Some(job) = next.take() {
            let is_alone = job.is_alone;
            if is_alone && !group.is_empty() {
                self.held = Some(job);
                break;
            }
            bytes += bytes_of(&job);
            group.push(job);
            if !is_alone && group.len() < GROUP_BATCHES_MAX && bytes < GROUP_BYTES_MAX {
                next = self.jobs.try_recv().ok();
            }
        }
        group
    }
}

/// What became of a batch, and whether messages are among what it wrote.
type Committed = Result<bool, CommitError>;

/// What is known of a batch after an attempt.
#[derive(Debug, Clone)]
enum Fate {
    /// It was committed, or will not be.
    Known(Committed),
    /// The server could not, whatever the batch holds.
    ServerFailed(Unavailable),
    /// Something that it is about is locked by somebody else. A culprit has failed its group by that.
    Locked { is_culprit: bool },
}

/// Commits batches as one group. If it fails because of what one of them holds, or is about, the others do not suffer for
/// it: each half is tried by itself, and so on.
async fn commit_all(link: &Link, time: &Time, batches: &[Batch]) -> Vec<Fate> {
    match commit_group(link, time, batches).await {
        Ok(fates) => fates,
        Err(NotCommitted { blame: Blame::Data | Blame::Lock, .. }) if batches.len() > 1 => {
            let (one, other) = batches.split_at(batches.len() / 2);
            let mut fates = Box::pin(commit_all(link, time, one)).await;
            fates.extend(Box::pin(commit_all(link, time, other)).await);
            fates
        }
        Err(NotCommitted { blame: Blame::Lock, .. }) => vec![Fate::Locked { is_culprit: true }],
        Err(NotCommitted { blame: Blame::Server, why }) => {
            batches.iter().map(|_| Fate::ServerFailed(why.clone())).collect()
        }
        Err(NotCommitted { blame: Blame::Data | Blame::Unknown, why }) => {
            batches.iter().map(|_| Fate::Known(Err(why.clone().into()))).collect()
        }
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

async fn commit_group(link: &Link, time: &Time, batches: &[Batch]) -> Result<Vec<Fate>, NotCommitted> {
    let mut must_look = HashSet::new();
    for _ in 0..ATTEMPTS_MAX {
        let connected = link.get().await?;
        let undone = match Box::pin(attempt((link, time), &connected, batches, &must_look)).await {
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
    let inserts = |partition: u64| {
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
    (link, time): (&Link, &Time),
    connected: &Connected,
    batches: &[Batch],
    must_look: &HashSet<u64>,
) -> Result<Vec<Fate>, Undone> {
    let mut look = Vec::new();
    for batch in batches {
        let is_looked_for = |partition: &u64| !believes_in_nothing(batch) || must_look.contains(partition);
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
    let mut admit = |batch: &Batch| {
        if group.is_locked(batch) {
            return Fate::Locked { is_culprit: false };
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
    micros.map(from_micros).ok_or_else(|| Failed::Warned("it tells no time".into()))
}
