//! Ends holds whose time has run out, and lengthens one.

use std::sync::Arc;
use std::time::Duration;

use tillgate_kernel::Timestamp;
use tillgate_store::unit::{Run, run};
use tillgate_store::{CommitError, Scan, Unavailable, Versioned};
use tokio_util::sync::CancellationToken;

use super::StockKeeper;
use super::hold::{Hold, State};
use crate::Refusal;
use crate::order_id::OrderId;

/// How often it is looked for holds that have run out.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// How many holds are ended in one step.
const STEP: usize = 100;

impl StockKeeper {
    /// Ends what has run out, until drained.
    pub async fn expire(self: Arc<Self>, drain: CancellationToken) {
        loop {
            match self.expire_step().await {
                Ok(STEP) if !drain.is_cancelled() => continue,
                Ok(_) => {}
                Err(why) => tracing::warn!(error = %why, "holds could not be ended; will retry"),
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
        }
    }

    /// Ends the holds that ran out first. Returns how many there were.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn expire_step(&self) -> Result<usize, Unavailable> {
        let now = self.clock.now();
        let (mut ended, mut unreadable, mut after) = (0, 0, None);
        'pages: loop {
            let lists = vec![Hold::expiring()];
            let scan = Scan::Lists { lists, newest_first: false, after, limit: STEP };
            let page = self.store.scan(&scan).await?;
            for (_, stored) in page.items {
                if stored.body.listed_at > now || ended == STEP {
                    break 'pages;
                }
                // One that another version has written must not hold up the
                // others.
                let Ok(hold) = Versioned::<Hold>::of(&stored) else {
                    unreadable += 1;
                    continue;
                };
                self.end(hold.order, now).await?;
                ended += 1;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if unreadable > 0 {
            tracing::error!(unreadable, "holds that have run out cannot be read, and stay");
        }
        Ok(ended)
    }

    /// Ends a hold if its time has run out, and it was not lengthened
    /// meanwhile.
    async fn end(&self, order: OrderId, now: Timestamp) -> Result<(), Unavailable> {
        let work = |_| async move {
            let Some(stored) = self.store.read::<Hold>(Hold::key_of(order)).await? else {
                return Ok(Run::Unchanged(()));
            };
            let is_over = matches!(stored.state, State::Preliminary { until } if until <= now);
            if !is_over {
                return Ok(Run::Unchanged(()));
            }
            let hold = Hold { state: State::Released, lines: Vec::new(), ..(*stored).clone() };
            Ok::<_, Unavailable>(Run::Commit(self.written(Some(stored), hold, now), ()))
        };
        match run(&self.store, work).await {
            Ok(_) => Ok(()),
            Err(CommitError::Unavailable(why)) => Err(why),
            // It gives back, which is never refused.
            Err(CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. }) => {
                Err(Unavailable::Crowded)
            }
        }
    }

    /// Lengthens a hold, for a payment that has begun.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when nothing is held any more.
    pub async fn lengthen(&self, order: OrderId, until: Timestamp) -> Result<Timestamp, Refusal> {
        let work = |_| async move {
            let Some(stored) = self.store.read::<Hold>(Hold::key_of(order)).await? else {
                return Ok(Run::Unchanged(Err(Refusal::NotFound)));
            };
            let now = self.clock.now();
            let State::Preliminary { until: before } = stored.state else {
                return Ok(Run::Unchanged(Err(Refusal::NotFound)));
            };
            if before <= now {
                return Ok(Run::Unchanged(Err(Refusal::NotFound)));
            }
            if until <= before {
                return Ok(Run::Unchanged(Ok(before)));
            }
            let hold = Hold { state: State::Preliminary { until }, ..(*stored).clone() };
            Ok::<_, Unavailable>(Run::Commit(self.written(Some(stored), hold, now), Ok(until)))
        };
        let (outcome, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        outcome
    }
}
