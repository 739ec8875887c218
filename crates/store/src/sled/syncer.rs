//! The thread that makes groups durable, while the committer gathers and writes
//! the next.
//!
//! A flush and a sync cover everything that was written before they began, so
//! all groups that have arrived meanwhile share one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::Sync;
use super::note::Note;
use super::opening::{failed, failed_in_sled, panic_text};
use super::progress::{Progress, stop};
use super::watchdog::ThreadProgress;
use crate::CommitError;

/// The outcome of a batch.
pub type Outcome = Result<(), CommitError>;

/// A group that was written and is to be made durable.
pub struct Written {
    /// Its number; none if it changed nothing and only its answers are to be
    /// sent in their turn.
    pub group: Option<u64>,
    /// The waiting callers, and the outcome for each.
    pub answers: Vec<(oneshot::Sender<Outcome>, Outcome)>,
    /// Whether it wrote messages.
    pub has_messages: bool,
}

pub struct Syncer {
    pub db: sled::Db,
    pub pulse: Arc<ThreadProgress>,
    pub sync: Sync,
    pub note: Note,
    pub progress: watch::Sender<Progress>,
    pub outbox_wakeups: watch::Sender<u64>,
    /// The runtime on which the waiting callers run.
    pub runtime: tokio::runtime::Handle,
}

impl Syncer {
    /// Runs until the committer is gone or the disk fails.
    pub fn run(mut self, written: &Receiver<Written>) {
        let mut durable = 0;
        loop {
            let first = match self.note.due_in(durable) {
                None => written.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => written.recv_timeout(wait),
            };
            let groups: Vec<Written> = match first {
                Ok(first) => std::iter::once(first).chain(written.try_iter()).collect(),
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => {
                    if self.note.due_in(durable).is_some()
                        && let Err(why) = self.note.write(durable)
                    {
                        stop(&self.progress, failed("noting what is durable", &why));
                    }
                    return;
                }
            };
            let newest = groups.iter().filter_map(|written| written.group).max();
            if newest.is_some() || groups.is_empty() {
                let pulse = Arc::clone(&self.pulse);
                let work = || pulse.during(&pulse.flush, || self.make_durable(newest, durable));
                let made = catch_unwind(AssertUnwindSafe(work));
                if let Err(why) = made.unwrap_or_else(|panic| Err(panic_text(&*panic))) {
                    // This comes before the callers learn that there will be no
                    // answer.
                    return stop(&self.progress, why);
                }
            }
            if let Some(newest) = newest {
                if !self.advance(newest) {
                    return; // the committer has failed meanwhile: nothing more is acknowledged
                }
                durable = newest;
            }
            let has_messages = groups.iter().any(|written| written.has_messages);
            // From within the runtime: waking a task from outside costs a
            // system call for each.
            self.runtime.spawn(async move {
                for (answer, outcome) in groups.into_iter().flat_map(|written| written.answers) {
                    // The caller may have gone; the batch is committed all the
                    // same.
                    let _ = answer.send(outcome);
                }
            });
            if has_messages {
                self.outbox_wakeups.send_modify(|rung| *rung += 1);
            }
        }
    }

    /// Records how far the disk has come. Returns false if the store has
    /// stopped.
    fn advance(&self, newest: u64) -> bool {
        self.progress.send_if_modified(|progress| match progress {
            Progress::Durable { group } => {
                *group = newest;
                true
            }
            Progress::Stopped { .. } => false,
        })
    }

    /// Makes the groups up to `newest`, if any, durable, and from time to time
    /// records this in the note.
    fn make_durable(&mut self, newest: Option<u64>, before: u64) -> Result<(), String> {
        if newest.is_some() {
            self.db.flush().map_err(|why| failed_in_sled("flushing", &why))?;
            (self.sync)().map_err(|why| failed("syncing the file", &why))?;
        }
        let durable = newest.unwrap_or(before);
        match self.note.due_in(durable) {
            Some(Duration::ZERO) => {
                self.note.write(durable).map_err(|why| failed("noting what is durable", &why))
            }
            Some(_) | None => Ok(()),
        }
    }
}
