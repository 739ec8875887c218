//! Commits, probes and closing, and the wait until a group is durable.

use super::committer::Job;
use super::progress::Progress;
use super::reading::READ_MAX;
use super::{Sled, keys};
use crate::batch::Batch;
use crate::{CommitError, Unavailable};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{SemaphorePermit, oneshot};

/// How long a caller waits until something is durable. The watchdog waits
/// longer: the disk may only be slow.
const DURABLE_MAX: Duration = Duration::from_secs(5);

/// How long a probe may take.
const PROBE_MAX: Duration = Duration::from_millis(2000);

impl Sled {
    pub(crate) async fn commit(&self, mut batch: Batch) -> Result<Vec<i64>, CommitError> {
        self.not_stalled()?;
        let (answer, answered) = oneshot::channel();
        let _place = self.place().await?;
        let reserved = self.workers.reserve(&mut batch);
        let batch = batch.stamped(self.clock.now());
        if self.jobs.send(Job::Commit { batch, reserved, answer }).is_err() {
            return Err(self.why_stopped().into());
        }
        match tokio::time::timeout(DURABLE_MAX, answered).await {
            Ok(Ok(outcome)) => outcome,
            // The committer is ending and is about to say why.
            Ok(Err(_)) => Err(Unavailable::Stopped(self.stopped().await).into()),
            // It is unknown whether the batch will become durable.
            Err(_) => Err(Unavailable::Stalled { what: "a write" }.into()),
        }
    }

    /// A place in the queue of the committer.
    async fn place(&self) -> Result<SemaphorePermit<'_>, Unavailable> {
        let waiting = tokio::time::timeout(DURABLE_MAX, self.waiting.acquire());
        match waiting.await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Unavailable::Stalled { what: "a write" }),
        }
    }

    pub(crate) async fn stopped(&self) -> String {
        let mut progress = self.progress.clone();
        let stopped =
            progress.wait_for(|progress| matches!(progress, Progress::Stopped { .. })).await;
        match stopped.as_deref() {
            Ok(Progress::Stopped { why }) => why.clone(),
            Ok(Progress::Durable { .. }) | Err(_) => "it has been closed".into(),
        }
    }

    /// Makes an empty commit, and reads something.
    pub(crate) async fn probe(self: &Arc<Self>) -> Result<(), Unavailable> {
        self.not_stalled()?;
        let (answer, answered) = oneshot::channel();
        let _place = self.place().await?;
        if self.jobs.send(Job::Probe { answer }).is_err() {
            return Err(self.why_stopped());
        }
        match tokio::time::timeout(PROBE_MAX, answered).await {
            Ok(Ok(Ok(_))) => {}
            Ok(Ok(Err(CommitError::Unavailable(why)))) => return Err(why),
            Ok(
                Ok(Err(CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. }))
                | Err(_),
            ) => {
                return Err(Unavailable::Stopped(self.stopped().await));
            }
            Err(_) => return Err(Unavailable::Stalled { what: "a write" }),
        }
        self.read(READ_MAX, |store| {
            keys::read_last_group(&store.tree).map(drop).map_err(Unavailable::Stopped)
        })
        .await
    }

    pub(crate) async fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let (done, is_done) = oneshot::channel();
            if self.jobs.send(Job::Close { done }).is_ok() {
                let _ = is_done.await;
            }
            drop(thread);
        }
    }

    /// Waits until `group` is durable, at most [`DURABLE_MAX`].
    pub(super) async fn durable(&self, group: u64) -> Result<(), Unavailable> {
        let is_settled = |progress: &Progress| match progress {
            Progress::Durable { group: durable } => *durable >= group,
            Progress::Stopped { .. } => true,
        };
        if !is_settled(&self.progress.borrow()) {
            let mut progress = self.progress.clone();
            let waiting = progress.wait_for(is_settled);
            if tokio::time::timeout(DURABLE_MAX, waiting).await.is_err() {
                return Err(Unavailable::Stalled { what: "a flush or sync of the disk" });
            }
        }
        match &*self.progress.borrow() {
            Progress::Durable { group: durable } if *durable >= group => Ok(()),
            Progress::Durable { .. } => Err(Unavailable::Stopped("it has been closed".into())),
            Progress::Stopped { why } => Err(Unavailable::Stopped(why.clone())),
        }
    }

    pub(super) fn why_stopped(&self) -> Unavailable {
        Unavailable::Stopped(match &*self.progress.borrow() {
            Progress::Stopped { why } => why.clone(),
            Progress::Durable { .. } => "it has been closed".into(),
        })
    }
}
