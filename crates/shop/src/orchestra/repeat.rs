//! Asks again who has not answered, until drained.

use std::time::Duration;

use tillgate_store::{CommitError, Scan, Unavailable, Versioned};
use tokio_util::sync::CancellationToken;

use super::Orchestra;
use super::saga::{Event, Saga};

/// How often it is looked for agreements that are due.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// How many are read at once.
const STEP: usize = 100;

impl Orchestra {
    /// Asks again who has not answered, until drained.
    pub async fn keep_asking(&self, drain: CancellationToken) {
        loop {
            if let Err(why) = self.ask_again(&drain).await {
                tracing::warn!(error = %why, "agreements on orders wait; will retry");
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
        }
    }

    /// Looks once at all that are due now. Returns how many there were.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn ask_again(&self, drain: &CancellationToken) -> Result<usize, CommitError> {
        let now = self.clock.now();
        let (mut seen, mut unreadable, mut after) = (0, 0, None);
        'pages: loop {
            let lists = vec![Saga::open()];
            let scan = Scan::Lists { lists, newest_first: false, after, limit: STEP };
            let page = self.store.scan(&scan).await.map_err(CommitError::from)?;
            for (_, stored) in page.items {
                if stored.body.listed_at > now || drain.is_cancelled() {
                    break 'pages;
                }
                let Ok(saga) = Versioned::<Saga>::of(&stored) else {
                    unreadable += 1;
                    continue;
                };
                self.handle(saga.order, &Event::Due, None).await?;
                seen += 1;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if unreadable > 0 {
            tracing::error!(unreadable, "agreements on orders cannot be read, and wait");
        }
        Ok(seen)
    }

    /// The agreement on an order.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn saga(&self, order: crate::order_id::OrderId) -> Result<Option<Saga>, Unavailable> {
        let stored = self.store.read::<Saga>(Saga::key_of(order)).await?;
        Ok(stored.map(Versioned::into_document))
    }
}
