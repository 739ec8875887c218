//! Takes for a client who is about to pay, and gives back.

use tillgate_kernel::Timestamp;
use tillgate_kernel::time::later;
use tillgate_store::unit::{Run, run};
use tillgate_store::{CommitError, Unavailable};

use super::{HELD_AT_MOST, Reservation, Reservations, State};
use crate::Refusal;
use crate::order_id::OrderId;
use crate::order_problem::OrderProblem;

/// Whether something was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is held until then.
    Until(Timestamp),
    /// There is too little; what was held before is held still.
    Short,
}

impl<R: Reservation> Reservations<R> {
    /// Takes what an order wants at a version. If something is held for it
    /// already, only the difference is taken or given back. `make` makes the
    /// document in a state, with the time when it was taken.
    ///
    /// # Errors
    /// When the order has been sold or reversed, has a later version, or has
    /// kept it too long.
    pub async fn take(
        &self,
        order: OrderId,
        version: u64,
        make: impl Fn(State, Timestamp) -> R + Sync,
    ) -> Result<Taken, Refusal> {
        let make = &make;
        let work = |_| async move {
            let stored = self.store.read::<R>(R::key_of(order)).await?;
            let now = self.clock.now();
            let refused = |problem| Ok(Run::Unchanged(Err(Refusal::Order(problem))));
            // A payment that has begun may have lengthened it.
            let before = match stored.as_deref().map(Reservation::state) {
                Some(State::Preliminary { until }) => until,
                Some(State::Confirmed | State::Released | State::Reversed) | None => now,
            };
            let taken_at = match stored.as_deref().map(|known| (known, known.state())) {
                Some((_, State::Confirmed)) => {
                    return refused(OrderProblem::Status("IN_PROGRESS".into()));
                }
                Some((_, State::Reversed)) => {
                    return refused(OrderProblem::Status("CANCELED".into()));
                }
                // The order was read before: a later request may have come
                // first.
                Some((known, _)) if known.version() > version => {
                    return refused(OrderProblem::StaleVersion(known.version()));
                }
                Some((known, State::Preliminary { .. })) => known.taken_at(),
                Some((_, State::Released)) | None => now,
            };
            let until = later(now, self.held_for).min(later(taken_at, HELD_AT_MOST)).max(before);
            if until <= now {
                return refused(OrderProblem::HoldExpired);
            }
            let next = make(State::Preliminary { until }, taken_at);
            let batch = Self::written(stored, next, now);
            Ok::<_, Unavailable>(Run::Commit(batch, Ok(until)))
        };
        match run(&self.store, work).await {
            Ok((outcome, _)) => outcome.map(Taken::Until),
            Err(CommitError::Short { .. }) => Ok(Taken::Short),
            Err(why) => Err(Refusal::of_commit(why)),
        }
    }

    /// Gives back what is held for an order that is not sold.
    ///
    /// # Errors
    /// When it is sold, or the store cannot be used.
    pub async fn release(&self, order: OrderId) -> Result<(), Refusal> {
        let work = |_| async move {
            let Some(stored) = self.store.read::<R>(R::key_of(order)).await? else {
                return Ok(Run::Unchanged(Ok(())));
            };
            match stored.state() {
                State::Preliminary { .. } => {}
                State::Released | State::Reversed => return Ok(Run::Unchanged(Ok(()))),
                State::Confirmed => {
                    let problem = OrderProblem::Status("IN_PROGRESS".into());
                    return Ok(Run::Unchanged(Err(Refusal::Order(problem))));
                }
            }
            let next = stored.in_state(State::Released);
            let batch = Self::written(Some(stored), next, self.clock.now());
            Ok::<_, Unavailable>(Run::Commit(batch, Ok(())))
        };
        let (outcome, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        outcome
    }
}
