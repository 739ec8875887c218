//! The unit of work: what one use case reads, decides and writes together.
//!
//! A use case reads documents with their versions, decides, and stages the
//! changes; [`transact`] commits them as one batch, and runs the use case again
//! if another transaction has committed first (`store::unit`).

use std::future::Future;

use serde::Serialize;
use tracing::Instrument;

use super::Services;
use crate::kernel::DocKey;
use crate::kernel::{Document, PartyName, Timestamp};
use crate::orders::Number;
use crate::outbox::Message;
use crate::outbox::{Delivery, Settlement, Ticket};
pub use crate::store::Versioned;
use crate::store::unit::{self, Run};
use crate::store::{Batch, CommitError, Store, Unavailable};
use crate::telemetry::metrics;

/// One run of a use case.
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(super) services: &'a Services,
    /// When this run began.
    pub now: Timestamp,
    attempt: u32,
    batch: Batch,
    facts: Vec<String>,
    followed: Option<Number>,
    /// The bytes that it stores of a party, for the party's quota.
    stored: Option<(PartyName, usize)>,
}

/// The result of one run.
#[derive(Debug)]
#[must_use]
pub enum Staged<'a, T> {
    /// The batch is to be committed; the value is the result if the commit
    /// succeeds.
    Commit(Box<Transaction<'a>>, T),
    /// Nothing is written; the value is the result.
    Unchanged(T),
    /// The documents that were read are inconsistent, because others are
    /// committing. Read them again.
    Again,
}

impl<'a> Transaction<'a> {
    /// Whether this is the first run.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.attempt == 0
    }

    pub async fn read<T: Document>(
        &self,
        key: DocKey,
    ) -> Result<Option<Versioned<T>>, Unavailable> {
        self.services.store.read(key).await
    }

    /// Stages a document to be written.
    pub fn write<T: Document>(&mut self, key: DocKey, document: &Versioned<T>) {
        document.stage_at(key, &mut self.batch);
    }

    /// Adds a fact for the journal.
    pub fn note_fact(&mut self, fact: &impl Serialize) {
        self.facts.extend(serde_json::to_string(fact).ok());
    }

    /// Adds several facts for the journal.
    pub fn note_facts<T: Serialize>(&mut self, facts: impl IntoIterator<Item = T>) {
        facts.into_iter().for_each(|fact| self.note_fact(&fact));
    }

    /// The facts so far, in the form of the journal.
    #[must_use]
    pub fn facts(&self) -> Vec<String> {
        self.facts.clone()
    }

    /// Puts a message into the outbox.
    pub fn send(&mut self, message: Message) {
        self.batch.send(message);
    }

    /// Writes a message with this content and makes it due at once.
    pub fn wake(&mut self, delivery: &Versioned<Delivery>) {
        self.batch.wake(delivery.expect(), (**delivery).clone(), delivery.listed_at());
    }

    /// Settles a message under its lease, together with the changes that it
    /// caused.
    pub fn settle(&mut self, ticket: Ticket, settlement: Settlement) {
        self.batch.settle(ticket, settlement);
    }

    /// The batch, for code that stages directly.
    pub fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// Notifies the watchers of this order after the commit.
    pub fn wake_watchers(&mut self, number: Number) {
        self.followed = Some(number);
    }

    /// Counts bytes of a party that are stored, after the commit.
    pub(super) fn counts(&mut self, party: &PartyName, bytes: usize) {
        self.stored = Some((party.clone(), bytes));
    }

    /// Ends the run: the batch is to be committed.
    pub fn commit<T>(self, value: T) -> Staged<'a, T> {
        Staged::Commit(Box::new(self), value)
    }
}

/// Commits a batch without reading first. Returns `false` if a conflicting
/// change was committed before.
pub(super) async fn commit_once(store: &Store, batch: Batch) -> Result<bool, Unavailable> {
    match store.commit(batch).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. }) => {
            Ok(false)
        }
        Err(CommitError::Unavailable(why)) => Err(why),
    }
}

/// Runs `work` until its result is committed, and returns the result.
pub async fn transact<'a, T, F>(
    services: &'a Services,
    name: &'static str,
    work: impl Fn(Transaction<'a>) -> F,
) -> Result<T, Unavailable>
where
    F: Future<Output = Result<Staged<'a, T>, Unavailable>>,
{
    settle(services, name, work).await.map_err(|why| match why {
        CommitError::Unavailable(why) => why,
        // Only a transaction that settles a message has a lease to lose, and
        // none has a floor.
        CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. } => {
            Unavailable::Crowded
        }
    })
}

/// Like [`transact`], for a use case that settles a message: it ends when the
/// lease on the message is lost.
pub async fn settle<'a, T, F>(
    services: &'a Services,
    name: &'static str,
    work: impl Fn(Transaction<'a>) -> F,
) -> Result<T, CommitError>
where
    F: Future<Output = Result<Staged<'a, T>, Unavailable>>,
{
    let work = &work;
    let run = move |attempt| async move {
        let now = services.clock.now();
        let transaction = Transaction {
            services,
            now,
            attempt,
            batch: Batch::new(),
            facts: Vec::new(),
            followed: None,
            stored: None,
        };
        Ok(match work(transaction).await? {
            Staged::Commit(transaction, value) => {
                let Transaction { batch, stored, followed, .. } = *transaction;
                Run::Commit(batch, (Some((stored, followed, now)), value))
            }
            Staged::Unchanged(value) => Run::Unchanged((None, value)),
            Staged::Again => Run::Again,
        })
    };
    let outcome =
        unit::run(&services.store, run).instrument(tracing::debug_span!("transaction", name)).await;
    match outcome {
        Ok(((Some((stored, followed, now)), value), attempt)) => {
            metrics::transaction(name, attempt);
            if let Some((party, bytes)) = &stored {
                services.quotas.count(party, *bytes, now);
            }
            if let Some(number) = followed {
                services.change_feed.publish(number.partition());
            }
            Ok(value)
        }
        Ok(((None, value), _)) => Ok(value),
        Err(why) => {
            if why == CommitError::Unavailable(Unavailable::Crowded) {
                metrics::transaction(name, unit::ATTEMPTS_MAX);
            }
            Err(why)
        }
    }
}
