//! The loop that a service takes its messages with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tillgate_kernel::Failure;
use tillgate_kernel::failure::DeliveryFailure;
use tillgate_kernel::outbox::{Claimed, MessageId, Settlement, Ticket};
use tillgate_kernel::time::between;
use tillgate_peer::RetryPolicy;
use tillgate_store::dispatch::Dispatch;
use tillgate_store::persistence::settle;
use tillgate_store::unit::{Run, run};
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
    settling: &'a Settling,
}

/// Whether a message was settled by what it has led to.
#[derive(Debug, Default)]
struct Settling {
    /// None if it is not in the outbox.
    ticket: Option<Ticket>,
    /// A batch that settles it may have been committed.
    is_tried: AtomicBool,
    is_settled: AtomicBool,
}

impl Settling {
    fn of(ticket: Ticket) -> Settling {
        Settling { ticket: Some(ticket), ..Settling::default() }
    }
}

impl Incoming<'_> {
    /// The content.
    ///
    /// # Errors
    /// When it has another format, or cannot be opened.
    pub fn read<F: Format>(&self) -> Result<F, Unreadable> {
        self.envelope.open(self.id, self.keys)
    }

    /// Settles the message in a batch, if both are about the same thing.
    fn settle_in(&self, batch: &mut Batch) -> bool {
        let is_settled = self.settling.is_settled.load(Ordering::Relaxed);
        let Some(ticket) = self.settling.ticket.filter(|_| !is_settled) else { return false };
        if !batch.is_in(self.id.subject) {
            return false;
        }
        self.settling.is_tried.store(true, Ordering::Relaxed);
        batch.settle(ticket, Settlement::Sent);
        true
    }
}

/// Runs a unit of work. If it is the last thing that a message leads to, its
/// batch settles the message: one commit for both.
///
/// # Errors
/// As [`run`]; and [`CommitError::LostLease`] if somebody else has claimed the
/// message.
pub async fn run_by<T, F>(
    message: Option<&Incoming<'_>>,
    store: &Store,
    work: impl Fn(u32) -> F,
) -> Result<T, CommitError>
where
    F: Future<Output = Result<Run<T>, Unavailable>>,
{
    let Some(message) = message else { return run(store, work).await.map(|(value, _)| value) };
    let settling = |attempt| {
        let made = work(attempt);
        async move {
            Ok(match made.await? {
                Run::Commit(mut batch, value) => {
                    let is_settled = message.settle_in(&mut batch);
                    Run::Commit(batch, (value, is_settled))
                }
                Run::Unchanged(value) => Run::Unchanged((value, false)),
                Run::Again => Run::Again,
            })
        }
    };
    let ((value, is_settled), _) = run(store, settling).await?;
    if is_settled {
        message.settling.is_settled.store(true, Ordering::Relaxed);
    }
    Ok(value)
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
        let settling = Settling::of(ticket);
        let taking = self.take(delivery.id, &delivery.body, &settling);
        let taken = tokio::time::timeout(deadline, taking).await.unwrap_or(Err(NotTaken::Late));
        let lane = C::SERVICE.lane().to_string();
        let count = |outcome| {
            metrics::counter!("tillgate_outbox_attempts_total", "lane" => lane, "outcome" => outcome)
                .increment(1);
        };
        if settling.is_settled.load(Ordering::Relaxed) {
            count("sent");
            return;
        }
        let (settlement, outcome) = match taken {
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
        count(outcome);
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        match settle(&self.store, delivery.id, &batch, LEASE / 4).await {
            Ok(()) => {}
            // What it led to was committed, and has settled it.
            Err(CommitError::LostLease) if settling.is_tried.load(Ordering::Relaxed) => {}
            Err(why) => tracing::warn!(
                message.id = %delivery.id,
                error = %why,
                "a message between services was not settled and will be taken again"
            ),
        }
    }

    async fn take(&self, id: MessageId, body: &str, settling: &Settling) -> Result<(), NotTaken> {
        let envelope = Envelope::parse(body)?;
        self.consumer.take(&Incoming { id, envelope, keys: &self.keys, settling }).await
    }
}

#[cfg(test)]
impl<C: Consumer> Inbox<C> {
    /// Takes a message that is not in the outbox.
    pub async fn take_one(&self, id: MessageId, envelope: &Envelope) -> Result<(), NotTaken> {
        let (envelope, settling) = (envelope.clone(), &Settling::default());
        self.consumer.take(&Incoming { id, envelope, keys: &self.keys, settling }).await
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
                let settling = Settling::default();
                let first = self.take(delivery.id, &delivery.body, &settling);
                first.await.expect("it is taken");
                self.deliver(claimed).await;
                taken += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use tillgate_kernel::outbox::{Claim, message_key};
    use tillgate_kernel::{Clock, DocKey, Document, Kind, Partition, Timestamp, Unreadable};
    use tillgate_kernel::{chance::random_bytes, document};
    use tillgate_store::Versioned;
    use tillgate_store::memory::Memory;

    use super::*;
    use crate::bus::message_id;

    /// What a service does once because of a message, in a partition.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Deed {
        partition: u64,
    }

    impl Format for Deed {
        const NUMBER: u16 = 900;
    }

    impl Document for Deed {
        const KIND: Kind = Kind::new(1, "deeds");
        const SCHEMA: u16 = 1;

        fn encode(&self) -> Vec<u8> {
            document::encode(self)
        }

        fn decode(schema: u16, bytes: &[u8]) -> Result<Deed, Unreadable> {
            document::decode(schema, bytes)
        }
    }

    fn key(partition: u64) -> DocKey {
        DocKey { partition: Partition::from_u64(partition), kind: Deed::KIND, id: 1 }
    }

    struct Doer(Store);

    impl Consumer for Doer {
        const SERVICE: Service = Service::Order;

        async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
            let deed: Deed = message.read()?;
            let key = key(deed.partition);
            let work = |_| {
                let deed = deed.clone();
                async move {
                    if self.0.read::<Deed>(key).await?.is_some() {
                        return Ok(Run::Unchanged(()));
                    }
                    let mut batch = Batch::new();
                    Versioned::new(deed, Timestamp::UNIX_EPOCH).stage_at(key, &mut batch);
                    Ok::<_, Unavailable>(Run::Commit(batch, ()))
                }
            };
            Ok(run_by(Some(message), &self.0, work).await?)
        }
    }

    const SUBJECT: u64 = 7;

    /// A message about [`SUBJECT`] that is claimed, and its inbox.
    async fn claimed(deed_in: u64) -> (Inbox<Doer>, Claimed) {
        let store = Store::Memory(Arc::new(Memory::new(Clock::System)));
        let keys = MasterKeys::new(random_bytes(), []);
        let id = message_id(Service::Auth, Partition::from_u64(SUBJECT), 1);
        let deed = Deed { partition: deed_in };
        let mut batch = Batch::new();
        batch.send(Envelope::message(Service::Order, id, &deed, &keys, Timestamp::UNIX_EPOCH));
        store.commit(batch).await.expect("sent");
        let inbox = Inbox { consumer: Arc::new(Doer(store.clone())), store, keys };
        let claimed = inbox.claim(LEASE).await.expect("it is there");
        (inbox, claimed)
    }

    impl Inbox<Doer> {
        async fn claim(&self, lease: Duration) -> Option<Claimed> {
            let claim = Claim {
                lane: Service::Order.lane(),
                lease,
                limit: 1,
                limit_of_queue: 1,
                paused_queues: Vec::new(),
                after_queue: String::new(),
            };
            self.store.claim(&claim).await.expect("a claim").pop()
        }

        async fn has(&self, key: DocKey) -> bool {
            self.store.load(&[key]).await.expect("loaded")[0].is_some()
        }
    }

    #[tokio::test]
    async fn a_message_is_settled_in_the_commit_that_it_leads_to() {
        let (inbox, claimed) = claimed(SUBJECT).await;
        let message = message_key(claimed.delivery.id);
        let settling = Settling::of(claimed.ticket);
        inbox.take(claimed.delivery.id, &claimed.delivery.body, &settling).await.expect("taken");
        assert!(inbox.has(key(SUBJECT)).await);
        assert!(!inbox.has(message).await, "it is settled before the inbox does it");
        inbox.deliver(claimed).await; // as after an answer that was lost
        assert!(!inbox.has(message).await);
    }

    #[tokio::test]
    async fn what_a_message_leads_to_elsewhere_is_settled_after_it() {
        let (inbox, claimed) = claimed(SUBJECT + 1).await;
        let message = message_key(claimed.delivery.id);
        let settling = Settling::of(claimed.ticket);
        inbox.take(claimed.delivery.id, &claimed.delivery.body, &settling).await.expect("taken");
        assert!(inbox.has(key(SUBJECT + 1)).await && inbox.has(message).await);
        inbox.deliver(claimed).await;
        assert!(!inbox.has(message).await);
    }

    #[tokio::test]
    async fn who_has_lost_the_lease_changes_nothing() {
        let (inbox, late) = claimed(SUBJECT).await;
        let store = &inbox.store;
        let mut batch = Batch::new();
        let wait = Duration::ZERO;
        let error = Failure::of(&DeliveryFailure::NotSent { said: "later".into() });
        batch.settle(late.ticket, Settlement::Retry { wait, error });
        store.commit(batch).await.expect("put off");
        let again = inbox.claim(LEASE).await.expect("it is due");
        inbox.deliver(late).await;
        assert!(!inbox.has(key(SUBJECT)).await);
        inbox.deliver(again).await;
        assert!(inbox.has(key(SUBJECT)).await);
    }
}
