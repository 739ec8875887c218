//! The loop that a service takes its messages with.

use std::sync::Arc;
use std::time::Duration;

use tillgate_kernel::Failure;
use tillgate_kernel::failure::DeliveryFailure;
use tillgate_kernel::outbox::{Claimed, MessageId, Settlement};
use tillgate_kernel::time::between;
use tillgate_peer::RetryPolicy;
use tillgate_store::dispatch::Dispatch;
use tillgate_store::persistence::settle;
use tillgate_store::{Batch, CommitError, Store, Unavailable};
use tokio_util::sync::CancellationToken;

use super::envelope::{Envelope, Format, Unreadable};
use super::service::Service;
use crate::Refusal;
use crate::seal::MasterKeys;

/// How long a claim is held.
const LEASE: Duration = Duration::from_secs(60);

/// How long a service may take for one message.
const TAKING_SECONDS_MAX: u64 = 20;
const _: () = assert!(LEASE.as_secs() > 2 * TAKING_SECONDS_MAX);

/// Messages that a service takes at the same time.
const AT_ONCE_MAX: usize = 32;

/// A message that cannot be taken for this long becomes a dead letter.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
    give_up_after: Duration::from_secs(3 * 24 * 3600),
};

/// A message that has arrived.
#[derive(Debug)]
pub struct Incoming<'a> {
    pub id: MessageId,
    pub envelope: Envelope,
    keys: &'a MasterKeys,
}

impl Incoming<'_> {
    /// The content.
    ///
    /// # Errors
    /// When it has another format, or cannot be opened.
    pub fn read<F: Format>(&self) -> Result<F, Unreadable> {
        self.envelope.open(self.id, self.keys)
    }
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It will never be taken.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] CommitError),
    /// The service cannot do it now. The log says why.
    #[error("the service refused it: {0}")]
    Refused(&'static str),
    /// It took too long.
    #[error("it was not taken within {TAKING_SECONDS_MAX} s")]
    Late,
}

impl From<Unavailable> for NotTaken {
    fn from(why: Unavailable) -> NotTaken {
        NotTaken::Store(why.into())
    }
}

impl From<Refusal> for NotTaken {
    fn from(why: Refusal) -> NotTaken {
        NotTaken::Refused(why.kind().1)
    }
}

/// A service that takes messages.
pub trait Consumer: Send + Sync + 'static {
    const SERVICE: Service;

    /// Takes a message. It may have been taken before.
    fn take(&self, message: &Incoming<'_>) -> impl Future<Output = Result<(), NotTaken>> + Send;
}

/// The inbox of a service in one store.
#[derive(Debug)]
pub struct Inbox<C> {
    pub consumer: Arc<C>,
    pub store: Store,
    pub keys: MasterKeys,
}

impl<C: Consumer> Inbox<C> {
    /// Runs until drained; messages that are being taken are finished.
    pub async fn run(self, drain: CancellationToken) {
        let dispatch = Dispatch {
            store: self.store.clone(),
            lane: C::SERVICE.lane(),
            lease: LEASE,
            at_once_max: AT_ONCE_MAX,
            at_once_of_queue_max: AT_ONCE_MAX,
            one_at_a_time: false,
            takes_new: true,
        };
        let inbox = Arc::new(self);
        let deliver = move |claimed| {
            let inbox = Arc::clone(&inbox);
            async move {
                inbox.deliver(claimed).await;
                Duration::ZERO
            }
        };
        dispatch.run(deliver, drain).await;
    }

    /// Takes one message, and settles it.
    async fn deliver(&self, Claimed { delivery, ticket, at }: Claimed) {
        let deadline = Duration::from_secs(TAKING_SECONDS_MAX);
        let taken = tokio::time::timeout(deadline, self.take(delivery.id, &delivery.body)).await;
        let (settlement, outcome) = match taken.unwrap_or(Err(NotTaken::Late)) {
            Ok(()) => (Settlement::Sent, "sent"),
            Err(NotTaken::Unreadable(why)) if !why.may_pass() => {
                tracing::error!(
                    message.id = %delivery.id,
                    error = %why,
                    "a message between services cannot be read; fix the cause, then run: tillgate \
                     outbox retry {}",
                    delivery.id
                );
                let failure = DeliveryFailure::Unreadable { detail: why.to_string() };
                (Settlement::Dead { error: Failure::of(&failure) }, "dead")
            }
            Err(why) => {
                tracing::warn!(
                    message.id = %delivery.id,
                    attempts = delivery.attempts + 1,
                    error = %why,
                    "a message between services was not taken"
                );
                let error = Failure::of(&DeliveryFailure::NotSent { said: why.to_string() });
                let age =
                    delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, at));
                match RETRY.delay(delivery.attempts + 1, age, None) {
                    Some(wait) => (Settlement::Retry { wait, error }, "retry"),
                    None => (Settlement::Dead { error }, "dead"),
                }
            }
        };
        let lane = C::SERVICE.lane().to_string();
        metrics::counter!("tillgate_outbox_attempts_total", "lane" => lane, "outcome" => outcome)
            .increment(1);
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        if let Err(why) = settle(&self.store, delivery.id, &batch, LEASE / 4).await {
            tracing::warn!(
                message.id = %delivery.id,
                error = %why,
                "a message between services was not settled and will be taken again"
            );
        }
    }

    async fn take(&self, id: MessageId, body: &str) -> Result<(), NotTaken> {
        let envelope = Envelope::parse(body)?;
        self.consumer.take(&Incoming { id, envelope, keys: &self.keys }).await
    }
}

#[cfg(test)]
impl<C: Consumer> Inbox<C> {
    /// Takes a message that is not in the outbox.
    pub async fn take_one(&self, id: MessageId, envelope: &Envelope) -> Result<(), NotTaken> {
        let envelope = envelope.clone();
        self.consumer.take(&Incoming { id, envelope, keys: &self.keys }).await
    }

    /// Takes the messages that are due, until none is left. Each is taken
    /// twice, as after a crash before it was settled.
    pub async fn take_all_twice(&self) -> usize {
        use tillgate_kernel::outbox::Claim;

        let claim = Claim {
            lane: C::SERVICE.lane(),
            lease: LEASE,
            limit: AT_ONCE_MAX,
            limit_of_queue: AT_ONCE_MAX,
            paused_queues: Vec::new(),
            after_queue: String::new(),
        };
        let mut taken = 0;
        loop {
            let claimed = self.store.claim(&claim).await.expect("a claim");
            if claimed.is_empty() {
                return taken;
            }
            for claimed in claimed {
                let delivery = &claimed.delivery;
                self.take(delivery.id, &delivery.body).await.expect("it is taken");
                self.deliver(claimed).await;
                taken += 1;
            }
        }
    }
}
