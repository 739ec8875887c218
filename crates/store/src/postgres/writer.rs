//! Commits in groups: all batches that wait are committed in one transaction,
//! and each succeeds or conflicts on its own.
//!
//! A group is checked as on the embedded store: batch after batch, each against
//! what is stored plus what the earlier batches of the group wrote. Stored rows
//! are locked first, in the order of the partitions, so that groups of several
//! nodes wait for each other without deadlocks. A batch that expects its
//! partition to be empty, as nearly every new order does, is staged without
//! reading. If an insert then finds that the partition is not empty, the whole
//! group is retried, and this time it reads first.
//!
//! A batch for a partition that another writer of this process is committing
//! waits for that writer, which commits it next.
//!
//! Locks held elsewhere do not block other batches. A batch whose page is
//! locked leaves the group and is retried a moment later. A group that fails
//! because of a lock or a timeout is halved until the batch that causes it is
//! alone. From then on, batches of the same partition use a separate connection
//! for a while.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc};

use super::busy::Busy;
use super::commit_group::{BatchOutcome, Committed, Committer};
use super::group::Admitted;
use super::job::Job;
use super::link::Link;
use super::outbox::OrphanedLeases;
use super::seen_pages::SeenPages;
use super::suspects::Suspects;
use super::time::Time;
use crate::batch::Change;
use crate::workers::Workers;
use crate::{CommitError, Unavailable};
use tillgate_kernel::Stopwatch;
use tillgate_kernel::outbox::Lanes;

/// The number of connections for commits: while one waits for the disk, the
/// next group is gathered and written on another.
const WRITERS: usize = 2;

/// The most batches in a group. It bounds how long the first of them waits.
const GROUP_BATCHES_MAX: usize = 512;

/// The number of bytes at which a group is closed: as much as a statement can
/// carry within its timeout.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a batch waits for locks held elsewhere. Its caller gets an answer
/// before the sender of the hook times out.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(1500);

/// The pause between two attempts at a locked page: as long as a commit takes.
const LOCKED_PAGE_PAUSE: Duration = Duration::from_millis(5);

/// The pause between two attempts of a batch that has made a group fail by a
/// lock or a timeout.
const CULPRIT_PAUSE: Duration = Duration::from_millis(20);

/// Why the server failed to commit last time, for any batch, and since when;
/// none if the last commit succeeded.
pub type Trouble = Arc<std::sync::Mutex<Option<(Stopwatch, String)>>>;

/// Commits incoming batches, group after group.
struct Writer {
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    /// Where jobs that are locked elsewhere are queued again.
    again: mpsc::WeakSender<Job>,
    /// Where jobs go whose partition has made a group fail. None for the writer
    /// that handles these jobs.
    aside: Option<mpsc::Sender<Job>>,
    suspects: Arc<Suspects>,
    busy: Busy,
    link: Arc<Link>,
    workers: Workers,
    orphans: Arc<OrphanedLeases>,
    seen: SeenPages,
    /// Notified of commits with messages, for other receivers.
    committed: Arc<Notify>,
    trouble: Trouble,
    time: Time,
}

/// What the writers of a store share with the rest of it.
pub struct Shared {
    pub workers: Workers,
    pub orphans: Arc<OrphanedLeases>,
    pub seen: SeenPages,
    pub committed: Arc<Notify>,
    pub trouble: Trouble,
    pub time: Time,
}

/// Starts the writers. They end when the sender of `jobs` is dropped.
pub fn start(
    sender: &mpsc::Sender<Job>,
    jobs: mpsc::Receiver<Job>,
    shared: &Shared,
    link: impl Fn() -> Arc<Link>,
) {
    let (queue, suspects) = (Arc::new(Mutex::new(jobs)), Arc::new(Suspects::default()));
    let (aside, set_aside) = mpsc::channel(super::WAITING_MAX);
    let busy = Busy::default();
    let writer = |queue, again, aside| Writer {
        queue,
        again,
        aside,
        suspects: Arc::clone(&suspects),
        busy: busy.clone(),
        link: link(),
        workers: shared.workers.clone(),
        orphans: Arc::clone(&shared.orphans),
        seen: shared.seen.clone(),
        committed: Arc::clone(&shared.committed),
        trouble: Arc::clone(&shared.trouble),
        time: shared.time.clone(),
    };
    for _ in 0..WRITERS {
        tokio::spawn(writer(Arc::clone(&queue), sender.downgrade(), Some(aside.clone())).run());
    }
    let set_aside = Arc::new(Mutex::new(set_aside));
    tokio::spawn(writer(set_aside, aside.downgrade(), None).run());
}

impl Writer {
    async fn run(self) {
        let mut waiting = Vec::new();
        loop {
            let group = self.gather(waiting).await;
            if group.is_empty() {
                return;
            }
            let (group, begun) = self.busy.begin(self.without_suspects(group));
            if group.is_empty() {
                waiting = Vec::new();
                continue;
            }
            let (mut batches, mut others) =
                (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
            for Job { batch, reserved, answer, locked } in group {
                batches.push(batch);
                others.push((reserved, answer, locked));
            }
            // In a separate task, so that a panic ends one group and not the
            // writer.
            let (link, batches) = (Arc::clone(&self.link), Arc::new(batches));
            let committing = {
                let (batches, time) = (Arc::clone(&batches), self.time.clone());
                let (suspects, seen) = (Arc::clone(&self.suspects), self.seen.clone());
                let is_aside = self.aside.is_none();
                tokio::spawn(async move {
                    let (link, time, suspects) = (&link, &time, &suspects);
                    let committer = Committer { link, time, suspects, seen: &seen };
                    if is_aside {
                        committer.commit_aside(&batches).await
                    } else {
                        committer.commit_all(&batches, None).await
                    }
                })
            };
            let fates = match committing.await {
                Ok(fates) => fates,
                Err(panic) => {
                    tracing::error!(error = %panic, "committing a group panicked");
                    // Drop the connection: its open transaction must not be
                    // committed by another group.
                    self.link.forget().await;
                    let why =
                        Unavailable::Unreachable("committing failed by an internal error".into());
                    others.iter().map(|_| BatchOutcome::Known(Err(why.clone().into()))).collect()
                }
            };
            waiting = self.busy.end(&begun);
            let mut woken = Lanes::default();
            for (place, (fate, other)) in fates.into_iter().zip(others).enumerate() {
                let (reserved, answer, locked) = other;
                match fate {
                    BatchOutcome::Known(outcome) => {
                        self.note(&outcome, None);
                        let outcome = match outcome {
                            Ok(Admitted { woken: lanes, leased, sums }) => {
                                woken = woken.and(lanes);
                                reserved.hand_over(leased);
                                Ok(sums)
                            }
                            Err(why) => {
                                if matches!(why, CommitError::Unavailable(_)) {
                                    // It may have been committed.
                                    self.orphans.add_all(&batches[place]);
                                }
                                Err(why)
                            }
                        };
                        // The caller may have gone. The batch is committed all
                        // the same.
                        let _ = answer.send(outcome);
                    }
                    BatchOutcome::ServerFailed(why) => {
                        let outcome = Err(why.clone().into());
                        self.note(&outcome, Some(why.to_string()));
                        let _ = answer.send(Err(why.into()));
                    }
                    BatchOutcome::Locked => {
                        let locked = Some(locked.unwrap_or_else(Stopwatch::start));
                        let batch = batches[place].clone();
                        self.try_again(Job { batch, reserved, answer, locked });
                    }
                }
            }
            if !woken.is_empty() {
                self.workers.wake(woken);
                self.committed.notify_one();
            }
        }
    }

    /// Gathers a group: the batches that have `waited` for a partition, and
    /// those in the queue. It is empty when no more will come.
    async fn gather(&self, waited: Vec<Job>) -> Vec<Job> {
        if waited.is_empty() {
            return gather(&mut *self.queue.lock().await).await;
        }
        // Another writer holds the queue while it waits for a batch.
        match self.queue.try_lock() {
            Ok(mut queue) => fill(waited, &mut queue),
            Err(_) => waited,
        }
    }

    /// Removes the batches whose partition has recently made a group fail: they
    /// use a separate connection. If too many wait for that connection, they
    /// are refused, because waiting would delay all other batches.
    fn without_suspects(&self, group: Vec<Job>) -> Vec<Job> {
        let Some(aside) = &self.aside else { return group };
        let (suspects, rest): (Vec<Job>, Vec<Job>) =
            group.into_iter().partition(|job| self.suspects.has(&job.batch));
        for job in suspects {
            if let Err(TrySendError::Full(job) | TrySendError::Closed(job)) = aside.try_send(job) {
                let why = Unavailable::Unreachable(
                    "too many changes wait for orders that are locked in the database; see \
                     pg_locks for the sessions that hold the locks"
                        .into(),
                );
                let _ = job.answer.send(Err(why.into())); // the caller may have gone
            }
        }
        rest
    }

    /// Records whether the server can commit.
    fn note(&self, outcome: &Committed, failed: Option<String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match failed {
            Some(why) => *trouble = Some((Stopwatch::start(), why)),
            None if outcome.is_ok() => *trouble = None,
            None => {}
        }
    }

    /// Retries a batch in a moment, unless it has waited long enough.
    fn try_again(&self, job: Job) {
        let has_waited = job.locked.map(Stopwatch::elapsed).unwrap_or_default();
        let refuse = |why: &str| Err(Unavailable::Unreachable(why.into()).into());
        if has_waited >= LOCK_WAIT_MAX {
            let why = "the order is locked by another database session; see pg_locks";
            let _ = job.answer.send(refuse(why));
            return;
        }
        let Some(again) = self.again.upgrade() else {
            let _ = job.answer.send(refuse("the store has been closed"));
            return;
        };
        let pause = if self.aside.is_none() { CULPRIT_PAUSE } else { LOCKED_PAGE_PAUSE };
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            // If the store was closed, the job is dropped, and its caller gets
            // an error.
            let _ = again.send(job).await;
        });
    }
}

/// Waits for a batch, and gathers those that wait with it. The result is empty
/// when no more will come.
async fn gather(jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    match jobs.recv().await {
        Some(first) => fill(vec![first], jobs),
        None => Vec::new(),
    }
}

/// Adds the batches that wait to a group, until it is full.
fn fill(mut group: Vec<Job>, jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let bytes_of = |job: &Job| -> usize {
        let of_docs = job.batch.docs.values().map(|(_, change)| match change {
            Change::Put(body) => body.bytes.len(),
            Change::Wake { delivery, .. } => delivery.body.len(),
            Change::Keep | Change::Delete => 0,
        });
        of_docs.sum()
    };
    let mut bytes: usize = group.iter().map(bytes_of).sum();
    while group.len() < GROUP_BATCHES_MAX
        && bytes < GROUP_BYTES_MAX
        && let Ok(job) = jobs.try_recv()
    {
        bytes += bytes_of(&job);
        group.push(job);
    }
    group
}
