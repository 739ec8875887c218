//! Records duplicates of hooks in the journal, a little after they have been
//! answered.
//!
//! A storm of retries becomes one line of the journal, not thousands, and no
//! retry waits for the write. A crash loses the counts of the last moments and
//! nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::dedup::Copies;
use crate::flows::Services;
use crate::flows::record_duplicates::{NewCopies, record_duplicates};
use crate::kernel::{HookId, Timestamp};

/// The pause between two writes. Each writes an entry for each hook that had
/// duplicates, so shorter pauses mean more writes in a storm.
const PAUSE: Duration = Duration::from_secs(1);

/// Hooks whose duplicates may wait to be recorded. Beyond this, duplicates are
/// counted only in the metrics.
const WAITING_HOOKS_MAX: usize = 100_000;

/// The most hooks whose duplicates are recorded at the same moment. Each is a
/// commit of its own, as each is about another order; the store writes those of
/// a moment together.
const RECORDED_AT_ONCE_MAX: usize = 64;

/// Gathers duplicates until they are written.
#[derive(Debug, Clone, Default)]
pub struct DuplicateCounter {
    waiting: Arc<Mutex<HashMap<HookId, NewCopies>>>,
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl DuplicateCounter {
    /// Counts a duplicate of the hook `of`.
    pub fn add(&self, of: HookId, at: Timestamp) {
        let mut waiting = self.waiting();
        if let Some(NewCopies { copies, .. }) = waiting.get_mut(&of) {
            copies.count += 1;
            copies.last_at = at;
        } else if waiting.len() < WAITING_HOOKS_MAX {
            waiting.insert(
                of,
                NewCopies { copies: Copies { of, count: 1, last_at: at }, first_at: at },
            );
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<HookId, NewCopies>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits. Listings call it first, so that they show a duplicate
    /// of a moment ago.
    pub async fn write(&self, services: &Services) {
        let (counter, services) = (self.clone(), services.clone());
        // A task of its own: a caller that is cancelled loses nothing.
        let writing = tokio::spawn(async move { counter.write_all(&services).await });
        if let Err(why) = writing.await {
            tracing::error!(error = %why, "duplicates of hooks were not recorded in the journal");
        }
    }

    async fn write_all(&self, services: &Services) {
        let _one_at_a_time = self.writing.lock().await;
        let due: Vec<NewCopies> = std::mem::take(&mut *self.waiting()).into_values().collect();
        for new in due.chunks(RECORDED_AT_ONCE_MAX) {
            if let Err(why) = record_duplicates(services, new).await {
                tracing::warn!(
                    hooks = new.len(),
                    error = %why,
                    "recording the duplicates of hooks in the journal failed"
                );
            }
        }
    }
}

/// Runs until drained, then writes the rest.
pub async fn run(services: Services, duplicates: DuplicateCounter, drain: CancellationToken) {
    while !drain.is_cancelled() {
        tokio::select! {
            () = drain.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
        duplicates.write(&services).await;
    }
}
