//! The participant in the agreement on an order: CONFIRM takes for good,
//! REVERSE gives back and cannot fail.

use tillgate_store::unit::{Run, run};
use tillgate_store::{CommitError, Unavailable};

use super::{Reservation, Reservations, State};
use crate::order_id::OrderId;

/// What a participant answers to CONFIRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Success,
    /// Nothing is held for the order, and it is not known what to take.
    NothingHeld,
    /// There is too little, or it is too late. What was held before is held
    /// still.
    Short,
    /// It was reversed before.
    Reversed,
}

impl<R: Reservation> Reservations<R> {
    /// Takes for good what `confirmed` makes of the reservation: what is held
    /// is kept, what is missing is taken, what is too much is given back. It
    /// makes nothing of what cannot be any more.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn confirm(
        &self,
        order: OrderId,
        confirmed: impl Fn(&R) -> Option<R> + Sync,
    ) -> Result<Answer, Unavailable> {
        let confirmed = &confirmed;
        let work = |_| async move {
            let stored = self.store.read::<R>(R::key_of(order)).await?;
            let Some(stored) = stored else { return Ok(Run::Unchanged(Answer::NothingHeld)) };
            match stored.state() {
                State::Preliminary { .. } | State::Released => {}
                State::Confirmed => return Ok(Run::Unchanged(Answer::Success)),
                State::Reversed => return Ok(Run::Unchanged(Answer::Reversed)),
            }
            let Some(next) = confirmed(&stored) else {
                return Ok(Run::Unchanged(Answer::Short));
            };
            let batch = Self::written(Some(stored), next, self.clock.now());
            Ok(Run::Commit(batch, Answer::Success))
        };
        match run(&self.store, work).await {
            Ok((answer, _)) => Ok(answer),
            Err(CommitError::Short { .. }) => Ok(Answer::Short),
            Err(CommitError::Unavailable(why)) => Err(why),
            Err(CommitError::Conflict | CommitError::LostLease) => Err(Unavailable::Crowded),
        }
    }

    /// Gives back everything of an order, for good. A CONFIRM that comes later
    /// takes nothing.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn reverse(&self, order: OrderId) -> Result<(), Unavailable> {
        let work = |_| async move {
            let stored = self.store.read::<R>(R::key_of(order)).await?;
            let now = self.clock.now();
            let next = match stored.as_deref() {
                Some(known) if known.state() == State::Reversed => {
                    return Ok(Run::Unchanged(()));
                }
                Some(known) => known.in_state(State::Reversed),
                None => R::tombstone(order, now),
            };
            Ok(Run::Commit(Self::written(stored, next, now), ()))
        };
        match run(&self.store, work).await {
            Ok(_) => Ok(()),
            Err(CommitError::Unavailable(why)) => Err(why),
            // Giving back is never refused.
            Err(CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. }) => {
                Err(Unavailable::Crowded)
            }
        }
    }
}
