//! The unit of work: what one use case reads, decides and writes together.
//!
//! A use case reads documents with their versions, decides, and stages the
//! changes; [`transact`] commits them as one batch. If another transaction has
//! committed first, the use case runs again from the beginning on the new
//! state. No use case has a loop of its own.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde::Serialize;
use tracing::Instrument;

use super::Services;
use crate::kernel::DocKey;
use crate::kernel::chance::random_bytes;
use crate::kernel::{Document, PartyName, Timestamp};
use crate::orders::Number;
use crate::outbox::Message;
use crate::outbox::{Delivery, Settlement, Ticket};
use crate::store::{Batch, CommitError, Expect, Store, Stored, Unavailable};
use crate::telemetry::metrics;

/// How often a use case is run before it fails. Each conflict means that at
/// least one other transaction has committed, so this many hooks of one order
/// may arrive at the same moment.
const ATTEMPTS_MAX: u32 = 128;

/// From this attempt on there is a pause of random length before each attempt,
/// so that competing transactions do not stay in step.
const ATTEMPTS_WITHOUT_PAUSE: u32 = 4;

/// The longest pause.
const PAUSE_MILLISECONDS_MAX: u64 = 16;

/// One run of a use case.
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(super) services: &'a Services,
    /// When this run began.
    pub now: Timestamp,
    attempt: u32,
    batch: Batch,
    facts: Vec<String>,
    settles: bool,
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

/// A document with the version at which it was read. It is written back at that
/// version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    document: T,
    expect: Expect,
    listed_at: Timestamp,
}

impl<T: Document> Versioned<T> {
    /// Reads a stored document.
    pub(super) fn of(stored: &Stored) -> Result<Versioned<T>, Unavailable> {
        let (expect, listed_at) = (Expect::At(stored.version), stored.body.listed_at);
        Ok(Versioned { document: stored.document()?, expect, listed_at })
    }

    /// Stages the document with its current content.
    pub(super) fn stage_at(&self, key: DocKey, batch: &mut Batch) {
        batch.put(key, self.expect, &self.document, self.listed_at);
    }

    /// Makes the commit fail if somebody else changes the document; the
    /// document itself is not written.
    pub(super) fn assert_version(&self, key: DocKey, batch: &mut Batch) {
        batch.assert_version(key, self.expect);
    }

    /// A new document, with its position in lists.
    pub fn new(document: T, listed_at: Timestamp) -> Versioned<T> {
        Versioned { document, expect: Expect::Absent, listed_at }
    }
}

impl<T> Versioned<T> {
    /// The document without its version. It is not written back.
    #[must_use]
    pub fn into_document(self) -> T {
        self.document
    }

    /// The version that was read; 0 for a new document.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self.expect {
            Expect::Absent => 0,
            Expect::At(version) => version,
        }
    }

    /// The same version with another content.
    #[must_use]
    pub fn replaced(&self, document: T) -> Versioned<T> {
        Versioned { document, expect: self.expect, listed_at: self.listed_at }
    }

    /// Sets its position in lists.
    pub(super) fn list_at(&mut self, listed_at: Timestamp) {
        self.listed_at = listed_at;
    }
}

impl<T> Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.document
    }
}

impl<T> DerefMut for Versioned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.document
    }
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
        let stored = self.services.store.load(&[key]).await?.pop().flatten();
        stored.as_ref().map(Versioned::of).transpose()
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
        self.batch.wake(delivery.expect, delivery.document.clone(), delivery.listed_at);
    }

    /// Settles a message under its lease, together with the changes that it
    /// caused.
    pub fn settle(&mut self, ticket: Ticket, settlement: Settlement) {
        self.settles = true;
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
    let runs = async {
        for attempt in 0..ATTEMPTS_MAX {
            pause_before(attempt).await;
            let now = services.clock.now();
            let transaction = Transaction {
                services,
                now,
                attempt,
                batch: Batch::new(),
                facts: Vec::new(),
                settles: false,
                followed: None,
                stored: None,
            };
            let (transaction, value) = match work(transaction).await? {
                Staged::Commit(transaction, value) => (transaction, value),
                Staged::Unchanged(value) => return Ok(value),
                Staged::Again => continue,
            };
            // A store distributed over several machines commits a batch on one.
            debug_assert!(transaction.batch.is_of_one_partition(), "{name}: several partitions");
            match services.store.commit(transaction.batch).await {
                Ok(()) => {
                    metrics::transaction(name, attempt);
                    if let Some((party, bytes)) = &transaction.stored {
                        services.quotas.count(party, *bytes, now);
                    }
                    transaction
                        .followed
                        .into_iter()
                        .for_each(|number| services.change_feed.publish(number.partition()));
                    return Ok(value);
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::LostLease) if !transaction.settles => {}
                Err(
                    why @ (CommitError::LostLease
                    | CommitError::Short { .. }
                    | CommitError::Unavailable(_)),
                ) => {
                    return Err(why);
                }
            }
        }
        metrics::transaction(name, ATTEMPTS_MAX);
        Err(Unavailable::Crowded.into())
    };
    runs.instrument(tracing::debug_span!("transaction", name)).await
}

async fn pause_before(attempt: u32) {
    if attempt < ATTEMPTS_WITHOUT_PAUSE {
        return;
    }
    let longest = (1 << (attempt - ATTEMPTS_WITHOUT_PAUSE).min(10)).min(PAUSE_MILLISECONDS_MAX);
    let drawn = u64::from_be_bytes(random_bytes()) % (longest + 1);
    tokio::time::sleep(Duration::from_millis(drawn)).await;
}
