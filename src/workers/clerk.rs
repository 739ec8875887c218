//! Notes copies of hooks in the journal, a little after they have been answered.
//!
//! A storm of retries is one line in the journal, not thousands, and no retry waits for the note about it.
//! A crash loses the notes of the last moments and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::dedup::Copies;
use crate::flows::Shop;
use crate::flows::note_copies::{NewCopies, note_copies};
use crate::kernel::{HookId, Timestamp};

/// How often notes are written.
const PAUSE: Duration = Duration::from_millis(200);

/// Hooks whose copies may wait to be noted. Beyond it copies are only counted in the metrics.
const WAITING_HOOKS_MAX: usize = 100_000;

/// Where copies are handed in.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    waiting: Arc<Mutex<HashMap<HookId, NewCopies>>>,
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl Tally {
    /// Hands in a copy.
    pub fn add(&self, of: HookId, at: Timestamp) {
        let mut waiting = self.waiting();
        if let Some(NewCopies { copies, .. }) = waiting.get_mut(&of) {
            copies.count += 1;
            copies.last_at = at;
        } else if waiting.len() < WAITING_HOOKS_MAX {
            waiting.insert(of, NewCopies { copies: Copies { of, count: 1, last_at: at }, first_at: at });
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<HookId, NewCopies>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits. Lists call it first, so that a person sees a copy that came a moment ago.
    pub async fn write(&self, shop: &Shop) {
        let _one_at_a_time = self.writing.lock().await;
        // Those that wait now, one by one: whoever drives this may be cancelled, and loses only the one in hand.
        let due: Vec<HookId> = self.waiting().keys().copied().collect();
        for of in due {
            let Some(new) = self.waiting().remove(&of) else { continue };
            if let Err(why) = note_copies(shop, &new).await {
                let copies = new.copies;
                tracing::warn!(hook.id = %copies.of, copies = copies.count, error = %why, "copies were not noted");
            }
        }
    }
}

/// Runs until drained, then writes the rest.
pub async fn run(shop: Shop, tally: Tally, drain: CancellationToken) {
    while !drain.is_cancelled() {
        tokio::select! {
            () = drain.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
        tally.write(&shop).await;
    }
}
