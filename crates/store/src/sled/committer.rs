//! The thread that makes every change to the store, one group of batches at a
//! time.
//!
//! Each batch of a group is checked against what is stored and what earlier
//! batches of the group wrote, and succeeds or conflicts on its own. The
//! successful ones become one atomic write of sled, which is flushed and synced
//! before the callers are answered and the next group is gathered. What arrives
//! meanwhile is the next group: under load the groups grow by themselves.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::Sync;
use super::group::{Admitted, Entries, Group};
use super::index::{Index, Upkeep};
use super::keys;
use super::note::Note;
use super::opening::{failed, failed_in_sled, panic_text};
use super::progress::{Progress, stop};
use super::recent_pages::RecentPages;
use super::watchdog::ThreadProgress;
use crate::CommitError;
use crate::batch::Stamped;
use crate::leases::Leases;
use crate::page::Page;
use crate::under_way::UnderWay;
use crate::workers::{Reservations, Workers};
use tillgate_kernel::{Partition, Stopwatch};

/// The outcome of a batch.
type Outcome = Result<Vec<i64>, CommitError>;

/// A request to the committer.
pub enum Job {
    /// Commit a batch and send the outcome to the caller.
    Commit { batch: Stamped, reserved: Reservations, answer: oneshot::Sender<Outcome> },
    /// Commit nothing, on the same path as any commit.
    Probe { answer: oneshot::Sender<Outcome> },
    /// Finish earlier jobs, release the files, and confirm.
    Close { done: oneshot::Sender<()> },
}

/// The most batches in one group. It bounds how long the first of them waits.
const GROUP_BATCHES_MAX: usize = 1024;

/// A group accepts no further batch after it has this many bytes.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest that a group waits for work that is under way. A sync takes
/// about as long on a fast disk.
const GATHER_MAX: Duration = Duration::from_millis(1);

/// The pause between two looks at what has arrived. Being woken for each
/// arrival would cost more.
const GATHER_PAUSE: Duration = Duration::from_micros(100);

pub struct Committer {
    pub db: sled::Db,
    pub tree: sled::Tree,
    pub last_group: u64,
    pub progress: watch::Sender<Progress>,
    pub pulse: Arc<ThreadProgress>,
    pub index: Arc<Index>,
    pub recent: Arc<RecentPages>,
    pub upkeep: Upkeep,
    pub leases: Arc<Mutex<Leases>>,
    pub sync: Sync,
    pub note: Note,
    pub workers: Workers,
    pub under_way: UnderWay,
    /// The runtime on which the waiting callers run.
    pub runtime: tokio::runtime::Handle,
}

/// The jobs of a group.
#[derive(Default)]
struct Gathered {
    batches: Vec<(Stamped, Reservations, oneshot::Sender<Outcome>)>,
    probes: Vec<oneshot::Sender<Outcome>>,
    closing: Option<oneshot::Sender<()>>,
    bytes: usize,
}

impl Committer {
    /// Runs until every handle of the store is dropped, the store is closed, or
    /// a write fails.
    pub fn run(mut self, jobs: &Receiver<Job>) {
        let mut closing = None;
        while closing.is_none() {
            let first = match self.note.due_in(self.last_group) {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => jobs.recv_timeout(wait),
            };
            let first = match first {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let pulse = Arc::clone(&self.pulse);
            let work = || {
                pulse.during(&pulse.group, || match first {
                    Some(first) => self.commit_group(first, jobs),
                    None => self.write_note().map(|()| None),
                })
            };
            let committed = catch_unwind(AssertUnwindSafe(work));
            match committed.unwrap_or_else(|panic| Err(panic_text(&*panic))) {
                Ok(done) => closing = done,
                Err(why) => return stop(&self.progress, why),
            }
        }
        if self.note.due_in(self.last_group).is_some()
            && let Err(why) = self.write_note()
        {
            stop(&self.progress, why);
        }
        // Dropping sled writes a last snapshot, which must be finished before
        // the close is confirmed.
        drop((self.tree, self.db));
        if let Some(closing) = closing {
            let _ = closing.send(());
        }
    }

    /// Commits a group that begins with `first`, and answers its callers.
    /// Returns what to confirm if the store is to be closed.
    fn commit_group(
        &mut self,
        first: Job,
        jobs: &Receiver<Job>,
    ) -> Result<Option<oneshot::Sender<()>>, String> {
        let Gathered { batches, probes, closing, .. } = self.gather(first, jobs);
        let number = self.last_group + 1;
        let mut group = Group::new(&self.tree, &self.index, &self.recent, &self.leases, number);
        let mut answers = Vec::with_capacity(batches.len() + probes.len());
        let mut handovers = Vec::new();
        for (place, (batch, reserved, answer)) in batches.into_iter().enumerate() {
            let outcome = match group.admit(batch, place) {
                Ok(Admitted { sums, leased }) => {
                    handovers.push((reserved, leased));
                    Ok(sums)
                }
                Err(why) => Err(why),
            };
            answers.push((answer, outcome));
        }
        let is_probed = !probes.is_empty();
        answers.extend(probes.into_iter().map(|answer| (answer, Ok(Vec::new()))));
        let finished = group.finished()?;
        if !finished.entries.is_empty() || is_probed {
            let mut entries = finished.entries;
            entries.extend(self.upkeep.note(number, finished.moved));
            self.write(number, entries).map_err(|why| failed_in_sled("writing", &why))?;
            self.make_durable(finished.pages)?;
        }
        {
            // A ticket is settled once: the next group must not find it held.
            let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
            finished.released.into_iter().for_each(|ticket| leases.release(ticket));
        }
        // From within the runtime: waking a task from outside costs a system
        // call for each.
        self.runtime.spawn(async move {
            for (answer, outcome) in answers {
                // The caller may have gone; the batch is committed all the
                // same.
                let _ = answer.send(outcome);
            }
            for (reserved, leased) in handovers {
                reserved.hand_over(leased);
            }
        });
        self.workers.wake(finished.woken);
        // After the answers, which need not wait for it.
        if self.note.due_in(self.last_group) == Some(Duration::ZERO) {
            self.write_note()?;
        }
        Ok(closing)
    }

    /// Gathers the jobs of a group: all that have arrived, and, while more work
    /// is under way, what arrives within [`GATHER_MAX`].
    fn gather(&self, first: Job, jobs: &Receiver<Job>) -> Gathered {
        let since = Stopwatch::start();
        let mut gathered = Gathered::default();
        gathered.take(first);
        loop {
            while !gathered.is_full()
                && let Ok(job) = jobs.try_recv()
            {
                gathered.take(job);
            }
            let is_all = gathered.batches.len() >= self.under_way.count();
            if gathered.is_full() || is_all || since.elapsed() >= GATHER_MAX {
                return gathered;
            }
            std::thread::sleep(GATHER_PAUSE);
        }
    }

    fn write(&mut self, group: u64, entries: Entries) -> sled::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        batch.insert(keys::LAST_GROUP, &group.to_be_bytes());
        {
            let _moving = self.index.standing_still();
            self.pulse.during(&self.pulse.write, || self.tree.apply_batch(batch))?;
            self.upkeep.publish();
        }
        self.last_group = group;
        Ok(())
    }

    /// Makes everything that was written durable. `pages` are the changed
    /// pages.
    fn make_durable(&mut self, pages: Vec<(Partition, Page)>) -> Result<(), String> {
        let pulse = Arc::clone(&self.pulse);
        pulse.during(&pulse.flush, || {
            self.db.flush().map_err(|why| failed_in_sled("flushing", &why))?;
            (self.sync)().map_err(|why| failed("syncing the file", &why))
        })?;
        // First the pages: who has waited for this group may read them at once.
        self.recent.replace(pages.into_iter());
        if !self.advance() {
            return Err("the store has stopped meanwhile".into());
        }
        Ok(())
    }

    /// Records how far the disk has come. Returns false if the store has
    /// stopped: then nothing more is acknowledged.
    fn advance(&self) -> bool {
        self.progress.send_if_modified(|progress| match progress {
            Progress::Durable { group } => {
                *group = self.last_group;
                true
            }
            Progress::Stopped { .. } => false,
        })
    }

    fn write_note(&mut self) -> Result<(), String> {
        let note = self.note.write(self.last_group);
        note.map_err(|why| failed("noting what is durable", &why))
    }
}

impl Gathered {
    fn take(&mut self, job: Job) {
        match job {
            Job::Commit { batch, reserved, answer } => {
                self.bytes += batch.bytes();
                self.batches.push((batch, reserved, answer));
            }
            Job::Probe { answer } => self.probes.push(answer),
            Job::Close { done } => self.closing = Some(done),
        }
    }

    fn is_full(&self) -> bool {
        self.closing.is_some()
            || self.batches.len() + self.probes.len() >= GROUP_BATCHES_MAX
            || self.bytes >= GROUP_BYTES_MAX
    }
}
