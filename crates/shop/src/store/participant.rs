//! The participant in the agreement on an order: CONFIRM takes goods for good,
//! REVERSE gives them back and cannot fail.

use tillgate_store::unit::{Run, run};
use tillgate_store::{CommitError, Unavailable};

use super::StockKeeper;
use super::hold::{Hold, State};
use super::reserve::Wanted;
use crate::order_id::OrderId;

/// What a participant answers to CONFIRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Success,
    /// Nothing is held for the order, and it is not known where to take it.
    NothingHeld,
    /// There is too little. What was held before is held still.
    Short,
    /// It was reversed before.
    Reversed,
}

impl StockKeeper {
    /// Takes what an order wants for good: what is held is kept, what is
    /// missing is taken in the same outlet, what is too much is given back.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn confirm(&self, wanted: &Wanted) -> Result<Answer, Unavailable> {
        let work = |_| async move {
            let stored = self.store.read::<Hold>(Hold::key_of(wanted.order)).await?;
            let Some(stored) = stored else { return Ok(Run::Unchanged(Answer::NothingHeld)) };
            match stored.state {
                State::Preliminary { .. } | State::Released => {}
                State::Confirmed => return Ok(Run::Unchanged(Answer::Success)),
                State::Reversed => return Ok(Run::Unchanged(Answer::Reversed)),
            }
            let hold = Hold {
                state: State::Confirmed,
                version: wanted.version,
                lines: wanted.lines.clone(),
                ..(*stored).clone()
            };
            let batch = self.written(Some(stored), hold, self.clock.now());
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
            let stored = self.store.read::<Hold>(Hold::key_of(order)).await?;
            let now = self.clock.now();
            let hold = match stored.as_deref() {
                Some(Hold { state: State::Reversed, .. }) => return Ok(Run::Unchanged(())),
                Some(hold) => Hold { state: State::Reversed, lines: Vec::new(), ..hold.clone() },
                None => Hold::tombstone(order, now),
            };
            Ok(Run::Commit(self.written(stored, hold, now), ()))
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
