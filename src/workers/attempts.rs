//! Runs calls to other systems that may or may not arrive, one step per
//! message. A step is recorded before it is performed, and its outcome is
//! recorded in the batch that settles the message. Whatever is unknown after
//! that becomes a step again.
//!
//! The state machine is `payments::Attempt`. It is used for payments,
//! operations and lists of refunds in
//! [`payment_worker`](super::payment_worker), and for fulfilment updates in
//! [`update_sender`](super::update_sender). A worker defines what its step is
//! and how it is recorded ([`AttemptStep`]); the rest is the same for all of
//! them.

use std::time::Duration;

use crate::flows::stored::named_lane;
use crate::kernel::Failure;
use crate::outbox::{Claimed, Delivery, Settlement, Ticket};
use crate::payments::RetryReason;
use crate::peer::RetryPolicy;
use crate::store::persistence::{persist, settle};
use crate::store::{Batch, CommitError, Store, Unavailable};
use crate::telemetry::metrics;
use crate::texts::{Language, Localized};

/// The result of one step.
pub(super) struct StepResult<T> {
    /// The outcome of the call; `None` when nothing was done.
    pub outcome: Option<T>,
    /// How long the other system asks us to wait.
    pub retry_after: Option<Duration>,
    /// Whether `retry_after` applies to the whole queue, not only to this
    /// message.
    pub is_for_all: bool,
    /// Whether the other system has it, and we only wait for its end.
    pub is_linked: bool,
}

impl<T> StepResult<T> {
    /// A result that asks for no pause.
    pub fn by_itself(outcome: Option<T>) -> StepResult<T> {
        StepResult { outcome, retry_after: None, is_for_all: true, is_linked: false }
    }
}

/// One step of one attempt.
pub(super) trait AttemptStep: Sync {
    /// The outcome of a call.
    type Outcome: Send + Sync;

    /// Records what is about to be done, and does it. Returns `None` if the
    /// attempt changed in the meantime; then it is run again.
    fn step(
        &self,
    ) -> impl Future<Output = Result<Option<StepResult<Self::Outcome>>, Unavailable>> + Send;

    /// Records the outcome, and settles the message in the same batch.
    fn record(
        &self,
        ticket: Ticket,
        stepped: &StepResult<Self::Outcome>,
    ) -> impl Future<Output = Result<Settlement, CommitError>> + Send;
}

/// Runs the steps of attempts.
pub(super) struct AttemptWorker<'a> {
    pub store: &'a Store,
    /// How long a claim is held.
    pub lease: Duration,
    pub retry: RetryPolicy,
    pub log: LogLines,
}

/// The log messages of a worker.
pub(super) struct LogLines {
    pub sent: &'static str,
    pub waits: &'static str,
    pub retry: &'static str,
    /// Says what a person has to do; the command to retry follows.
    pub dead: &'static str,
}

impl AttemptWorker<'_> {
    /// Performs one step, and records it. Returns how long to pause the
    /// message's queue.
    pub async fn carry_on<S: AttemptStep>(&self, claimed: &Claimed, attempt: &S) -> Duration {
        let Claimed { delivery, ticket, .. } = claimed;
        let stepped = match persist(self.lease / 4, || attempt.step()).await {
            Ok(Some(stepped)) => stepped,
            Ok(None) => {
                let error = Failure::of(&RetryReason::Changed);
                self.settle(delivery, *ticket, Settlement::Retry { wait: Duration::ZERO, error })
                    .await;
                return Duration::ZERO;
            }
            Err(why) => {
                tracing::warn!(
                    message.id = %delivery.id,
                    error = %why,
                    "an attempt could not be continued because of the store; it is retried when \
                     its lease expires"
                );
                return Duration::ZERO; // until the lease expires
            }
        };
        match persist(self.lease / 2, || attempt.record(*ticket, &stepped)).await {
            Ok(settlement) => self.tell(delivery, &settlement),
            Err(why) => {
                tracing::warn!(
                    message.id = %delivery.id,
                    error = %why,
                    "the outcome of a call was not recorded; it will be looked up"
                );
            }
        }
        let rest = stepped.retry_after.filter(|_| stepped.is_for_all);
        rest.unwrap_or_default().min(self.retry.longest)
    }

    /// Settles a message without recording anything else.
    pub async fn settle(&self, delivery: &Delivery, ticket: Ticket, settlement: Settlement) {
        match self.settled(delivery, ticket, settlement).await {
            Ok(settlement) => self.tell(delivery, &settlement),
            Err(why) => {
                tracing::warn!(
                    message.id = %delivery.id,
                    error = %why,
                    "a message was not settled and will be processed again"
                );
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
                tracing::error!(
                    message.id = %id,
                    queue,
                    %error,
                    "{}: tillgate outbox retry {id}",
                    log.dead
                );
                "dead"
            }
        };
        metrics::outbox_attempt(named_lane(delivery.lane), outcome);
    }
}
