//! The unit of work: what one use case reads, decides and writes together.
//!
//! A use case reads documents with their versions, decides, and stages what is to become of them; [`transact`] commits
//! that as one batch. Where another transaction has committed first, the use case runs again from the beginning, on what
//! holds now. No use case has a loop of its own.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde::Serialize;
use tracing::Instrument;

use super::Shop;
use crate::kernel::DocKey;
use crate::kernel::chance::random_bytes;
use crate::kernel::{Document, Timestamp};
use crate::orders::Number;
use crate::outbox::Message;
use crate::outbox::{Delivery, Settlement, Ticket};
use crate::store::{Batch, CommitError, Expect, Store, Stored, Unavailable};
use crate::telemetry::metrics;

/// How often a use case is run before its caller is told to come again. Each time at least one other
/// has committed, so this many hooks of one order may come at the same moment.
const ATTEMPTS_MAX: u32 = 128;

/// From this attempt on there is a pause before the next, of a random length, so that those who
/// compete do not keep step.
const ATTEMPTS_WITHOUT_PAUSE: u32 = 4;

/// The longest pause.
const PAUSE_MILLISECONDS_MAX: u64 = 16;

/// One run of a use case.
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(super) services: &'a Shop,
    /// When it began.
    pub now: Timestamp,
    attempt: u32,
    batch: Batch,
    facts: Vec<serde_json::Value>,
    settles: bool,
    followed: Option<Number>,
}

/// What a run has come to.
#[derive(Debug)]
#[must_use]
pub enum Staged<'a, T> {
    /// What was staged is to be committed, and means this if it is.
    Commit(Box<Transaction<'a>>, T),
    /// Nothing is to be written.
    Unchanged(T),
    /// What was read does not fit together: others are committing. It is to be read again.
    Again,
}

/// A document as it was read. It is written back at the version that it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    document: T,
    expect: Expect,
    listed_at: Timestamp,
}

impl<T: Document> Versioned<T> {
    /// What is stored.
    pub(super) fn of(stored: &Stored) -> Result<Versioned<T>, Unavailable> {
        let (expect, listed_at) = (Expect::At(stored.version), stored.body.listed_at);
        Ok(Versioned { document: stored.document()?, expect, listed_at })
    }

    /// Stages it under its key, as it is to be.
    pub(super) fn stage_at(&self, key: DocKey, batch: &mut Batch) {
        batch.put(key, self.expect, &self.document, self.listed_at);
    }

    /// Nothing of it changes; the commit fails if somebody else changes it meanwhile.
    pub(super) fn assert_version(&self, key: DocKey, batch: &mut Batch) {
        batch.rely(key, self.expect);
    }

    /// A document that nobody has written yet, with its place in lists.
    pub fn new(document: T, listed_at: Timestamp) -> Versioned<T> {
        Versioned { document, expect: Expect::Absent, listed_at }
    }
}

impl<T> Versioned<T> {
    /// The document without its version: it is not written back.
    #[must_use]
    pub fn into_document(self) -> T {
        self.document
    }

    /// The version that was read; 0 of what nobody has written yet.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self.expect {
            Expect::Absent => 0,
            Expect::At(version) => version,
        }
    }

    /// Another content in the place of this one.
    #[must_use]
    pub fn replaced(&self, document: T) -> Versioned<T> {
        Versioned { document, expect: self.expect, listed_at: self.listed_at }
    }

    /// Gives it another place in lists.
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
    /// Whether nothing has been tried before.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.attempt == 0
    }

    /// Reads a document.
    pub async fn read<T: Document>(&self, key: DocKey) -> Result<Option<Versioned<T>>, Unavailable> {
        let stored = self.services.store.load(&[key]).await?.pop().flatten();
        stored.as_ref().map(Versioned::of).transpose()
    }

    /// Writes a document back.
    pub fn write<T: Document>(&mut self, key: DocKey, document: &Versioned<T>) {
        document.stage_at(key, &mut self.batch);
    }

    /// What follows from the use case, for the journal.
    pub fn note_fact(&mut self, fact: &impl Serialize) {
        self.facts.extend(serde_json::to_value(fact).ok());
    }

    /// The same for several.
    pub fn note_facts<T: Serialize>(&mut self, facts: impl IntoIterator<Item = T>) {
        facts.into_iter().for_each(|fact| self.note_fact(&fact));
    }

    /// What has followed so far, as the journal keeps it.
    #[must_use]
    pub fn facts(&self) -> Vec<serde_json::Value> {
        self.facts.clone()
    }

    /// Puts a message into the outbox.
    pub fn send(&mut self, message: Message) {
        self.batch.send(message);
    }

    /// Has a message tried at once, as it is to be from now on.
    pub fn wake(&mut self, delivery: &Versioned<Delivery>) {
        self.batch.wake(delivery.expect, delivery.document.clone(), delivery.listed_at);
    }

    /// Settles a message under its lease, with what it has caused.
    pub fn settle(&mut self, ticket: Ticket, settlement: Settlement) {
        self.settles = true;
        self.batch.settle(ticket, settlement);
    }

    /// The batch, for what is staged elsewhere.
    pub fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// Whoever follows this order hears of it when it is committed.
    pub fn tell_followers(&mut self, number: Number) {
        self.followed = Some(number);
    }

    /// Ends the run: what was staged is to be committed.
    pub fn commit<T>(self, value: T) -> Staged<'a, T> {
        Staged::Commit(Box::new(self), value)
    }
}

/// Commits what holds only if nobody has changed meanwhile what it is about, without reading first. Says whether it was
/// committed.
pub(super) async fn commit_once(store: &Store, batch: Batch) -> Result<bool, Unavailable> {
    match store.commit(batch).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict | CommitError::LostLease) => Ok(false),
        Err(CommitError::Unavailable(why)) => Err(why),
    }
}

/// Runs `work` until its outcome is committed, and returns what it came to.
pub async fn transact<'a, T, F>(
    services: &'a Shop,
    name: &'static str,
    work: impl Fn(Transaction<'a>) -> F,
) -> Result<T, Unavailable>
where
    F: Future<Output = Result<Staged<'a, T>, Unavailable>>,
{
    settle(services, name, work).await.map_err(|why| match why {
        CommitError::Unavailable(why) => why,
        // Only whoever settles a message has a lease to lose.
        CommitError::Conflict | CommitError::LostLease => Unavailable::Crowded,
    })
}

/// The same for a use case that settles a message: it ends when the lease on that is lost.
pub async fn settle<'a, T, F>(
    services: &'a Shop,
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
            };
            let (transaction, value) = match work(transaction).await? {
                Staged::Commit(transaction, value) => (transaction, value),
                Staged::Unchanged(value) => return Ok(value),
                Staged::Again => continue,
            };
            match services.store.commit(transaction.batch).await {
                Ok(()) => {
                    metrics::transaction(name, attempt);
                    transaction
                        .followed
                        .into_iter()
                        .for_each(|number| services.news.tell(number.partition()));
                    return Ok(value);
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::LostLease) if !transaction.settles => {}
                Err(why @ (CommitError::LostLease | CommitError::Unavailable(_))) => return Err(why),
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
