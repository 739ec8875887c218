//! The participant in the agreement on an order: CONFIRM takes for good,
//! REVERSE gives back and cannot fail.

use tillgate_kernel::outbox::Message;
use tillgate_store::unit::Run;
use tillgate_store::{Batch, CommitError, Unavailable};

use super::{Reservation, Reservations, State};
use crate::bus::{Envelope, Incoming, NotTaken, Service, message_id, run_by};
use crate::formats::agreement::{Reason, RequestType, ShortItem};
use crate::formats::{ConfirmAnswer, ConfirmRequest};
use crate::order_id::OrderId;
use crate::seal::MasterKeys;

/// From here on the messages of a service about an order are answers, by the
/// number of the request.
const ANSWERS: u32 = 1 << 16;

/// The service that takes part.
#[derive(Debug, Clone, Copy)]
pub struct Participant<'a> {
    pub service: Service,
    /// Why it has too little.
    pub reason: Reason,
    pub keys: &'a MasterKeys,
    /// The message with the request.
    pub message: Option<&'a Incoming<'a>>,
}

/// What a participant answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Success,
    /// Nothing is held for the order, and it is not known what to take.
    NothingHeld,
    /// There is too little, or it is too late. What was held before is held
    /// still.
    Short,
    /// It was reversed before.
    Reversed,
    /// It cannot be withdrawn any more.
    TooLate,
}

impl Answer {
    /// Why not.
    #[must_use]
    pub const fn reason(self, short: Reason) -> Option<Reason> {
        match self {
            Answer::Success => None,
            Answer::NothingHeld => Some(Reason::NothingHeld),
            Answer::Short => Some(short),
            Answer::Reversed => Some(Reason::Reversed),
            Answer::TooLate => Some(Reason::TooLate),
        }
    }
}

impl<R: Reservation> Reservations<R> {
    /// Takes for good what `confirmed` makes of the reservation: what is held
    /// is kept, what is missing is taken, what is too much is given back. It
    /// makes nothing of what cannot be any more. If it was taken, now or
    /// before, the same commit sends `answer_message` and settles the
    /// `request`.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn confirm(
        &self,
        order: OrderId,
        confirmed: impl Fn(&R) -> Option<R> + Sync,
        answer_message: Option<&Message>,
        request: Option<&Incoming<'_>>,
    ) -> Result<Answer, Unavailable> {
        let confirmed = &confirmed;
        let work = |_| async move {
            let stored = self.store.read::<R>(R::key_of(order)).await?;
            let Some(stored) = stored else { return Ok(Run::Unchanged(Answer::NothingHeld)) };
            match stored.state() {
                State::Preliminary { .. } | State::Released => {}
                State::Confirmed => return Ok(unchanged(answer_message, Answer::Success)),
                State::Reversed => return Ok(Run::Unchanged(Answer::Reversed)),
            }
            let Some(next) = confirmed(&stored) else {
                return Ok(Run::Unchanged(Answer::Short));
            };
            let mut batch = Self::written(Some(stored), next, self.clock.now());
            if let Some(message) = answer_message {
                batch.send(message.clone());
            }
            Ok(Run::Commit(batch, Answer::Success))
        };
        match run_by(request, &self.store, work).await {
            Ok(answer) => Ok(answer),
            Err(CommitError::Short { .. }) => Ok(Answer::Short),
            Err(CommitError::Unavailable(why)) => Err(why),
            Err(CommitError::Conflict | CommitError::LostLease) => Err(Unavailable::Crowded),
        }
    }

    /// Gives back everything of an order, for good, if `allows` does. A CONFIRM
    /// that comes later takes nothing. If it is given back, now or before, the
    /// same commit sends `answer_message` and settles the `request`.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn reverse(
        &self,
        order: OrderId,
        allows: impl Fn(&R) -> bool + Sync,
        answer_message: Option<&Message>,
        request: Option<&Incoming<'_>>,
    ) -> Result<Answer, Unavailable> {
        let allows = &allows;
        let work = |_| async move {
            let stored = self.store.read::<R>(R::key_of(order)).await?;
            let now = self.clock.now();
            let next = match stored.as_deref() {
                Some(known) if known.state() == State::Reversed => {
                    return Ok(unchanged(answer_message, Answer::Success));
                }
                Some(known) if !allows(known) => return Ok(Run::Unchanged(Answer::TooLate)),
                Some(known) => known.in_state(State::Reversed),
                None => R::tombstone(order, now),
            };
            let mut batch = Self::written(stored, next, now);
            if let Some(message) = answer_message {
                batch.send(message.clone());
            }
            Ok(Run::Commit(batch, Answer::Success))
        };
        match run_by(request, &self.store, work).await {
            Ok(answer) => Ok(answer),
            Err(CommitError::Unavailable(why)) => Err(why),
            // Giving back is never refused.
            Err(CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. }) => {
                Err(Unavailable::Crowded)
            }
        }
    }

    /// Answers a request of the agreement on an order. `short` says what there
    /// was too little of, and `reason` why it was.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn answer<F>(
        &self,
        request: &ConfirmRequest,
        participant: &Participant<'_>,
        confirmed: impl Fn(&R) -> Option<R> + Sync,
        may_be_withdrawn: impl Fn(&R) -> bool + Sync,
        short: impl FnOnce() -> F,
    ) -> Result<(), NotTaken>
    where
        F: Future<Output = Result<Vec<ShortItem>, NotTaken>>,
    {
        let Participant { service, reason, keys, message: by } = *participant;
        // Each request has an answer of its own; a repeated one the same.
        let number = ANSWERS + request.attempt;
        let id = message_id(service, request.order_id.partition(), number);
        let message = |answer: &ConfirmAnswer| {
            Envelope::message(Service::Orchestra, id, answer, keys, self.clock.now())
        };
        let success = message(&ConfirmAnswer::to(request, None));
        let order = request.order_id;
        let answer = match request.request_type {
            RequestType::Confirm => self.confirm(order, confirmed, Some(&success), by).await?,
            RequestType::Reverse => {
                let is_free = !request.withdrawal;
                let allows = |known: &R| is_free || may_be_withdrawn(known);
                self.reverse(order, allows, Some(&success), by).await?
            }
        };
        let Some(why) = answer.reason(reason) else { return Ok(()) };
        let lines = if answer == Answer::Short { short().await? } else { Vec::new() };
        let refused = ConfirmAnswer { lines, ..ConfirmAnswer::to(request, Some(why)) };
        let refusal = message(&refused);
        let work = |_| {
            let mut batch = Batch::new();
            batch.send(refusal.clone());
            std::future::ready(Ok(Run::Commit(batch, ())))
        };
        Ok(run_by(by, &self.store, work).await?)
    }
}

/// Writes nothing but the message.
fn unchanged<T>(answer_message: Option<&Message>, value: T) -> Run<T> {
    match answer_message {
        Some(message) => {
            let mut batch = Batch::new();
            batch.send(message.clone());
            Run::Commit(batch, value)
        }
        None => Run::Unchanged(value),
    }
}
