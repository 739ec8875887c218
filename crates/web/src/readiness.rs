//! Whether this receiver is fit for hooks, as the last look at the store has shown.

use std::sync::Arc;
use std::time::Duration;

use tillgate_kernel::Stopwatch;
use tillgate_store::{Condition, Store, Unavailable};

/// The result of the last look at the store. It is reused for [`LOOK_GAP`], so that frequent requests do not cost a commit each.
/// A look goes on when the request that began it is given up.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<tokio::sync::Mutex<Option<(Stopwatch, Looked)>>>);

/// What a look at the store has shown.
#[derive(Debug, Clone)]
pub struct Looked {
    pub probed: Result<(), Unavailable>,
    pub condition: Option<Condition>,
}

/// Between two looks at the store.
const LOOK_GAP: Duration = Duration::from_secs(1);

impl Readiness {
    pub async fn look(&self, store: &Store) -> Looked {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some((since, looked)) = &*last
            && since.elapsed() < LOOK_GAP
        {
            return looked.clone();
        }
        let store = store.clone();
        let looking = tokio::spawn(async move {
            let looked = Looked { probed: store.probe().await, condition: condition(&store).await };
            *last = Some((Stopwatch::start(), looked.clone()));
            looked
        });
        looking.await.unwrap_or_else(|panic| Looked {
            probed: Err(Unavailable::Unreachable(format!("looking at it broke off: {panic}"))),
            condition: None,
        })
    }
}

/// How long the store may take to say how it stands.
const CONDITION_WAIT: Duration = Duration::from_secs(2);

/// How the store stands. That it does not say so makes no receiver unfit for hooks.
async fn condition(store: &Store) -> Option<Condition> {
    match tokio::time::timeout(CONDITION_WAIT, store.condition()).await {
        Ok(Ok(condition)) => condition,
        Ok(Err(why)) => {
            tracing::warn!(error = %why, "the state of the database could not be read");
            None
        }
        Err(_) => {
            tracing::warn!("the state of the database could not be read in time");
            None
        }
    }
}
