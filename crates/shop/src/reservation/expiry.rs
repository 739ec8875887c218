//! Ends reservations whose time has run out.

use std::time::Duration;

use tillgate_kernel::Timestamp;
use tillgate_store::unit::{Run, run};
use tillgate_store::{CommitError, Scan, Unavailable, Versioned};
use tokio_util::sync::CancellationToken;

use super::{Reservation, Reservations, State};
use crate::order_id::OrderId;

/// How often it is looked for what has run out.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// How many are ended in one step.
const STEP: usize = 100;

impl<R: Reservation> Reservations<R> {
    /// Ends what has run out, until drained.
    pub async fn expire(&self, drain: CancellationToken) {
        loop {
            match self.expire_step().await {
                Ok(STEP) if !drain.is_cancelled() => continue,
                Ok(_) => {}
                Err(why) => tracing::warn!(
                    error = %why, of = R::PLURAL, "what has run out could not be ended; will retry"
                ),
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
        }
    }

    /// Ends those that ran out first. Returns how many there were.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn expire_step(&self) -> Result<usize, Unavailable> {
        let now = self.clock.now();
        let (mut ended, mut unreadable, mut after) = (0, 0, None);
        'pages: loop {
            let lists = vec![R::expiring()];
            let scan = Scan::Lists { lists, newest_first: false, after, limit: STEP };
            let page = self.store.scan(&scan).await?;
            for (_, stored) in page.items {
                if stored.body.listed_at > now || ended == STEP {
                    break 'pages;
                }
                // One that another version has written must not hold up the
                // others.
                let Ok(known) = Versioned::<R>::of(&stored) else {
                    unreadable += 1;
                    continue;
                };
                self.end(known.order(), now).await?;
                ended += 1;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if unreadable > 0 {
            tracing::error!(
                unreadable,
                of = R::PLURAL,
                "what has run out cannot be read, and stays"
            );
        }
        Ok(ended)
    }

    /// Ends one if its time has run out, and it was not lengthened meanwhile.
    async fn end(&self, order: OrderId, now: Timestamp) -> Result<(), Unavailable> {
        let work = |_| async move {
            let Some(stored) = self.store.read::<R>(R::key_of(order)).await? else {
                return Ok(Run::Unchanged(()));
            };
            let is_over = matches!(stored.state(), State::Preliminary { until } if until <= now);
            if !is_over {
                return Ok(Run::Unchanged(()));
            }
            let next = stored.in_state(State::Released);
            let batch = Self::written(Some(stored), next, now);
            Ok::<_, Unavailable>(Run::Commit(batch, ()))
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
}
