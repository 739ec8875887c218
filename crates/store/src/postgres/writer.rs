//! Commits in groups: all batches that wait go into one transaction, and each succeeds or conflicts alone.
//!
//! A group is judged as on the embedded store, batch after batch, each over what is stored and what those before it in
//! the group wrote. What is stored is locked first, in the order of the partitions, so that groups of several nodes wait
//! for one another and never in a circle. A batch that believes its partition to be empty, as nearly every new order
//! does, is staged without a look; when an insert then finds that it is not, the whole group is done again with one.
//!
//! What is locked elsewhere holds nobody else up: a batch whose page is locked leaves the group and comes back a moment
//! later; a group that fails by a lock or a time-out is halved until the culprit is alone, and from then on what is about the same
//! partition goes by a connection of its own for a while.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::commit_group::{Committed, Committer, Fate};
use super::link::Link;
use super::suspects::Suspects;
use super::time::Time;
use crate::batch::{Batch, Change};
use crate::{CommitError, Unavailable};
use tillgate_kernel::Stopwatch;

/// Connections for commits: while one waits for the disk, the next group is gathered and written on another.
const WRITERS: usize = 2;

/// The most batches in a group. It bounds how long the first of them waits.
const GROUP_BATCHES_MAX: usize = 512;

/// The most bytes that a group writes before it closes: what a statement can carry in its time.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a batch waits for what is locked elsewhere. Whoever waits for the batch has an answer before its sender gives up.
const LOCK_WAIT_MAX: Duration = Duration::from_millis(1500);

/// Between two attempts at a page that is locked: as long as a commit takes.
const LOCKED_PAGE_PAUSE: Duration = Duration::from_millis(5);

/// Between two attempts of a batch that has failed a group by a lock or a time-out.
const CULPRIT_PAUSE: Duration = Duration::from_millis(20);

/// What becomes of a batch.
type Outcome = Result<(), CommitError>;

/// A batch that somebody waits for.
pub struct Job {
    batch: Batch,
    answer: oneshot::Sender<Outcome>,
    /// Since when it has been waiting for a lock.
    locked: Option<Stopwatch>,
}

impl Job {
    pub fn new(batch: Batch, answer: oneshot::Sender<Outcome>) -> Job {
        Job { batch, answer, locked: None }
    }
}

/// Why the server could not commit last time, whatever it was given; none when it could.
pub type Trouble = Arc<std::sync::Mutex<Option<(Stopwatch, String)>>>;

/// Commits what comes, group after group.
struct Writer {
    queue: Arc<Mutex<mpsc::Receiver<Job>>>,
    /// Where jobs come back that are locked elsewhere.
    again: mpsc::WeakSender<Job>,
    /// Where jobs go whose partition has failed a group. None for the writer that takes these.
    aside: Option<mpsc::Sender<Job>>,
    suspects: Arc<Suspects>,
    link: Arc<Link>,
    bell: watch::Sender<u64>,
    trouble: Trouble,
    time: Time,
}

/// What the writers of a store share with its readers.
pub struct Shared {
    pub bell: watch::Sender<u64>,
    pub trouble: Trouble,
    pub time: Time,
}

/// Starts the writers. They end with the sender of their jobs.
pub fn start(
    sender: &mpsc::Sender<Job>,
    jobs: mpsc::Receiver<Job>,
    shared: &Shared,
    link: impl Fn() -> Arc<Link>,
) {
    let (queue, suspects) = (Arc::new(Mutex::new(jobs)), Arc::new(Suspects::default()));
    let (aside, set_aside) = mpsc::channel(super::WAITING_MAX);
    let writer = |queue, again, aside| Writer {
        queue,
        again,
        aside,
        suspects: Arc::clone(&suspects),
        link: link(),
        bell: shared.bell.clone(),
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
        loop {
            let group = gather(&mut *self.queue.lock().await).await;
            if group.is_empty() {
                return;
            }
            let group = self.without_suspects(group);
            if group.is_empty() {
                continue;
            }
            let (mut batches, mut others) =
                (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
            for Job { batch, answer, locked } in group {
                batches.push(batch);
                others.push((answer, locked));
            }
            // In a task of its own, so that a mistake of ours ends one group and not the writer.
            let (link, batches) = (Arc::clone(&self.link), Arc::new(batches));
            let committing = {
                let (batches, time) = (Arc::clone(&batches), self.time.clone());
                let suspects = Arc::clone(&self.suspects);
                let is_aside = self.aside.is_none();
                tokio::spawn(async move {
                    let committer = Committer { link: &link, time: &time, suspects: &suspects };
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
                    tracing::error!(error = %panic, "committing a group broke off");
                    // Whatever was begun on its connection must not be ended by another group.
                    self.link.forget().await;
                    let why = Unavailable::Unreachable("committing broke off".into());
                    others.iter().map(|_| Fate::Known(Err(why.clone().into()))).collect()
                }
            };
            let mut has_messages = false;
            for (place, (fate, (answer, locked))) in fates.into_iter().zip(others).enumerate() {
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
                    Fate::Locked => {
                        let locked = Some(locked.unwrap_or_else(Stopwatch::start));
                        self.try_again(Job { batch: batches[place].clone(), answer, locked });
                    }
                }
            }
            if has_messages {
                self.bell.send_modify(|rung| *rung += 1);
            }
        }
    }

    /// A group without those whose partition has failed one lately: they go by a connection of their own. When too many wait for
    /// that one, they are refused, as waiting would hold up all others.
    fn without_suspects(&self, group: Vec<Job>) -> Vec<Job> {
        let Some(aside) = &self.aside else { return group };
        let (suspects, rest): (Vec<Job>, Vec<Job>) =
            group.into_iter().partition(|job| self.suspects.has(&job.batch));
        for job in suspects {
            if let Err(TrySendError::Full(job) | TrySendError::Closed(job)) = aside.try_send(job) {
                let why = Unavailable::Unreachable("too many changes wait for orders that are locked in the database; see pg_locks for who holds them".into());
                let _ = job.answer.send(Err(why.into())); // whoever waited may have gone
            }
        }
        rest
    }

    /// Notes whether the server can commit.
    fn note(&self, outcome: &Committed, failed: Option<String>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
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
        let pause = if self.aside.is_none() { CULPRIT_PAUSE } else { LOCKED_PAGE_PAUSE };
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = again.send(job).await; // a store that was closed tells whoever waits by dropping it
        });
    }
}

/// The batches that wait; nothing when there will be none.
async fn gather(jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let bytes_of = |job: &Job| -> usize {
        let of_docs = job.batch.docs.values().map(|(_, change)| match change {
            Change::Put(body) => body.bytes.len(),
            Change::Wake { delivery, .. } => delivery.body.len(),
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
