//! Whether this receiver is ready for hooks, according to the last check of the
//! store.

use std::sync::Arc;
use std::time::Duration;

use tillgate_kernel::Stopwatch;
use tillgate_store::{Condition, Store, Unavailable};

/// The result of the last check of the store. It is reused for [`LOOK_GAP`], so
/// that frequent requests do not cost a commit each. A check continues if the
/// request that started it is dropped.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<tokio::sync::Mutex<Option<(Stopwatch, StoreCheck)>>>);

/// What a check of the store has found.
#[derive(Debug, Clone)]
pub struct StoreCheck {
    pub probed: Result<(), Unavailable>,
    pub condition: Option<Condition>,
}

/// The minimum time between two checks of the store.
const LOOK_GAP: Duration = Duration::from_secs(1);

impl Readiness {
    pub async fn look(&self, store: &Store) -> StoreCheck {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some((since, looked)) = &*last
            && since.elapsed() < LOOK_GAP
        {
            return looked.clone();
        }
        let store = store.clone();
        let looking = tokio::spawn(async move {
            let looked =
                StoreCheck { probed: store.probe().await, condition: condition(&store).await };
            *last = Some((Stopwatch::start(), looked.clone()));
            looked
        });
        looking.await.unwrap_or_else(|panic| StoreCheck {
            probed: Err(Unavailable::Unreachable(format!(
                "the check of the store failed: {panic}"
            ))),
            condition: None,
        })
    }
}

/// How long the store may take to report its condition.
const CONDITION_WAIT: Duration = Duration::from_secs(2);

/// The condition of the store. If it cannot be read, the receiver is still
/// ready for hooks.
async fn condition(store: &Store) -> Option<Condition> {
    match tokio::time::timeout(CONDITION_WAIT, store.condition()).await {
        Ok(Ok(condition)) => condition,
        Ok(Err(why)) => {
            tracing::warn!(error = %why, "cannot read the condition of the database");
            None
        }
        Err(_) => {
            tracing::warn!("the condition of the database could not be read in time");
            None
        }
    }
}
