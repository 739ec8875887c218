//! Carries attempts at other systems on, one step a message: what is next is noted and done, and what it came to is recorded
//! in the batch that settles the message. Whatever is not certain afterwards is a step again.
//!
//! The machine is `payments::Attempt`. Its instances are payments, operations and lists of refunds in
//! [`collector`](super::collector), and what marketplaces are told in [`envoy`](super::envoy). A worker says what its step is and
//! how it is recorded ([`AttemptStep`]); the rest is the same for all of them.

use std::time::Duration;

use super::persistence::{persist, settle};
use crate::flows::stored::named_lane;
use crate::kernel::Failure;
use crate::outbox::{Claimed, Delivery, Settlement, Ticket};
use crate::payments::RetryReason;
use crate::peer::RetryPolicy;
use crate::store::{Batch, CommitError, Store, Unavailable};
use crate::telemetry::metrics;
use crate::texts::{InWords, Language};

/// What came of one step.
pub(super) struct Stepped<T> {
    /// What the call came to; none when nothing was done.
    pub outcome: Option<T>,
    /// How long the other system wants us to wait.
    pub wish: Option<Duration>,
    /// It wants to be left alone by everybody.
    pub is_for_all: bool,
    /// It is there and only waits to be over.
    pub is_linked: bool,
}

impl<T> Stepped<T> {
    /// Without a call.
    pub fn by_itself(outcome: Option<T>) -> Stepped<T> {
        Stepped { outcome, wish: None, is_for_all: true, is_linked: false }
    }
}

/// One step of one attempt.
pub(super) trait AttemptStep: Sync {
    /// What a call comes to.
    type Outcome: Send + Sync;

    /// Notes what is about to be done, and does it. None if the attempt has changed meanwhile: then it begins again.
    fn step(&self) -> impl Future<Output = Result<Option<Stepped<Self::Outcome>>, Unavailable>> + Send;

    /// Records what it came to, and settles the message with it.
    fn record(
        &self,
        ticket: Ticket,
        stepped: &Stepped<Self::Outcome>,
    ) -> impl Future<Output = Result<Settlement, CommitError>> + Send;
}

/// A worker that carries attempts on.
pub(super) struct AttemptWorker<'a> {
    pub store: &'a Store,
    /// How long a claim is held.
    pub lease: Duration,
    pub retry: RetryPolicy,
    pub log: LogLines,
}

/// What a worker's log says.
pub(super) struct LogLines {
    pub sent: &'static str,
    pub waits: &'static str,
    pub retry: &'static str,
    /// What a person has to do is part of it.
    pub dead: &'static str,
}

impl AttemptWorker<'_> {
    /// Does one step, and records it. Returns how long the message's queue is to be left alone.
    pub async fn carry_on<S: AttemptStep>(&self, claimed: &Claimed, attempt: &S) -> Duration {
        let Claimed { delivery, ticket, .. } = claimed;
        let stepped = match persist(self.lease / 4, || attempt.step()).await {
            Ok(Some(stepped)) => stepped,
            Ok(None) => {
                let error = Failure::of(&RetryReason::Changed);
                self.settle(delivery, *ticket, Settlement::Retry { wait: Duration::ZERO, error }).await;
                return Duration::ZERO;
            }
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "an attempt could not be carried on and will be");
                return Duration::ZERO; // the lease runs out
            }
        };
        match persist(self.lease / 2, || attempt.record(*ticket, &stepped)).await {
            Ok(settlement) => self.tell(delivery, &settlement),
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "what a call came to was not recorded; it will be looked up");
            }
        }
        let rest = stepped.wish.filter(|_| stepped.is_for_all);
        rest.unwrap_or_default().min(self.retry.longest)
    }

    /// Settles a message about which nothing else is recorded.
    pub async fn settle(&self, delivery: &Delivery, ticket: Ticket, settlement: Settlement) {
        match self.settled(delivery, ticket, settlement).await {
            Ok(settlement) => self.tell(delivery, &settlement),
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "a message was not settled and will be looked at again");
            }
        }
    }

    /// Commits a settlement alone.
    pub async fn settled(
        &self,
        delivery: &Delivery,
        ticket: Ticket,
        settlement: Settlement,
    ) -> Result<Settlement, CommitError> {
        let mut batch = Batch::new();
        batch.settle(ticket, settlement.clone());
        settle(self.store, delivery.id, &batch, self.lease / 2).await?;
        Ok(settlement)
    }

    fn tell(&self, delivery: &Delivery, settlement: &Settlement) {
        let (id, queue, log) = (delivery.id, &delivery.queue, &self.log);
        let outcome = match settlement {
            Settlement::Sent => {
                tracing::info!(message.id = %id, queue, "{}", log.sent);
                "sent"
            }
            Settlement::Retry { wait, error } if error.read() == Some(RetryReason::Waits) => {
                tracing::info!(message.id = %id, queue, ?wait, "{}", log.waits);
                "waits"
            }
            Settlement::Retry { wait, error } | Settlement::Postpone { wait, error } => {
                let error = error.in_words(Language::En);
                tracing::warn!(message.id = %id, queue, ?wait, %error, "{}", log.retry);
                "retry"
            }
            Settlement::Dead { error } => {
                let error = error.in_words(Language::En);
                tracing::error!(message.id = %id, queue, %error, "{}: tillgate outbox retry {id}", log.dead);
                "dead"
            }
        };
        metrics::outbox_attempt(named_lane(delivery.lane), outcome);
    }
}
