//! Deletes what is past its time: ended sessions, forgotten attempts, links
//! that do not work any more, old notices, and messages that nobody takes.

use std::time::Duration;

use tillgate_kernel::time::earlier;
use tillgate_kernel::{Clock, ListName};
use tillgate_store::{Batch, CommitError, Scan, Store, Unavailable};
use tokio_util::sync::CancellationToken;

/// The pause between two rounds.
const ROUND_PAUSE: Duration = Duration::from_secs(600);

/// The pause between two steps: only a small share of the disk is used.
const STEP_PAUSE: Duration = Duration::from_millis(50);

/// How many documents one step examines.
const STEP_DOCS_MAX: usize = 200;

/// A list whose documents are deleted this long after the time under which
/// they are listed.
#[derive(Debug, Clone)]
pub struct Swept {
    pub list: ListName,
    pub kept_for: Duration,
}

/// Deletes what is past its time.
#[derive(Debug)]
pub struct Sweeper {
    pub store: Store,
    pub clock: Clock,
    pub swept: Vec<Swept>,
}

impl Sweeper {
    /// Runs until drained.
    pub async fn run(self, drain: CancellationToken) {
        loop {
            for swept in &self.swept {
                if let Err(why) = self.sweep(swept, &drain).await {
                    tracing::warn!(error = %why, "sweeping stopped, it continues in the next round");
                }
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(ROUND_PAUSE) => {}
            }
        }
    }

    async fn sweep(&self, swept: &Swept, drain: &CancellationToken) -> Result<(), Unavailable> {
        while !drain.is_cancelled() && self.step(swept).await? == STEP_DOCS_MAX {
            tokio::time::sleep(STEP_PAUSE).await;
        }
        Ok(())
    }

    /// Deletes the oldest documents of a list that are past their time. Returns
    /// how many there were.
    async fn step(&self, swept: &Swept) -> Result<usize, Unavailable> {
        let scan = Scan::Lists {
            lists: vec![swept.list],
            newest_first: false,
            after: None,
            limit: STEP_DOCS_MAX,
        };
        let oldest_kept = earlier(self.clock.now(), swept.kept_for);
        let mut deleted = 0;
        for (key, stored) in self.store.scan(&scan).await?.items {
            if stored.body.listed_at > oldest_kept {
                break;
            }
            let mut batch = Batch::new();
            batch.delete(key, stored.version);
            match self.store.commit(batch).await {
                Ok(()) => deleted += 1,
                // It has just been changed: it is in use.
                Err(CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. }) => {
                }
                Err(CommitError::Unavailable(why)) => return Err(why),
            }
        }
        Ok(deleted)
    }
}

#[cfg(test)]
impl Sweeper {
    /// Deletes all that is past its time. Returns how many documents.
    pub async fn sweep_now(&self) -> usize {
        let mut deleted = 0;
        for swept in &self.swept {
            loop {
                let step = self.step(swept).await.expect("the store works");
                deleted += step;
                if step < STEP_DOCS_MAX {
                    break;
                }
            }
        }
        deleted
    }
}
