//! The store as everybody uses it, whichever engine is behind it.

use std::sync::Arc;

use tokio::sync::watch;

use super::batch::{Batch, CounterKey, Stored};
use super::scan::{Page, Scan};
use super::{CommitError, Unavailable, memory, postgres, sled};
use tillgate_kernel::outbox::{Claim, Claimed};
use tillgate_kernel::{DocKey, Partition, Timestamp};

/// A store: one of the engines. Clones share it.
#[derive(Clone, Debug)]
pub enum Store {
    /// In memory, gone with the process: for tests and for trying things.
    Memory(Arc<memory::Memory>),
    /// In a directory, for one process: the embedded default.
    Sled(Arc<sled::Sled>),
    /// In a PostgreSQL database, for as many processes as there are.
    Postgres(Arc<postgres::Postgres>),
}

/// What a store says of itself, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is.
    pub text: String,
    /// What makes it unfit for what is promised, and what to do about each.
    pub broken: Vec<String>,
    /// What it could be, and is not: what that costs, and what to do about it.
    pub missing: Vec<String>,
}

/// What may be built on what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belief {
    /// A page for people, or a commit that finds out.
    Hint,
    /// An answer that promises it.
    Kept,
}

impl Store {
    /// Reads documents, in the order of their keys' list, to show them or to change them: a commit that expects what was
    /// read is durable with all that it builds upon.
    pub async fn load(&self, keys: &[DocKey]) -> Result<Vec<Option<Stored>>, Unavailable> {
        self.load_with(keys, Belief::Hint).await
    }

    /// Reads documents for an answer that promises what they say. What is returned is durable.
    pub async fn load_kept(&self, keys: &[DocKey]) -> Result<Vec<Option<Stored>>, Unavailable> {
        self.load_with(keys, Belief::Kept).await
    }

    async fn load_with(&self, keys: &[DocKey], belief: Belief) -> Result<Vec<Option<Stored>>, Unavailable> {
        match self {
            Store::Memory(engine) => Ok(engine.load(keys)),
            Store::Sled(engine) => engine.load(keys).await, // all that it shows is durable
            Store::Postgres(engine) => engine.load(keys, belief).await,
        }
    }

    /// Makes a batch durable, all or nothing.
    pub async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        if batch.is_empty() {
            return Ok(());
        }
        match self {
            Store::Memory(engine) => engine.commit(batch),
            Store::Sled(engine) => engine.commit(batch).await,
            Store::Postgres(engine) => engine.commit(batch).await,
        }
    }

    /// Takes due messages of a lane under a lease, at most one of each queue and the oldest of its order.
    pub async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, Unavailable> {
        match self {
            Store::Memory(engine) => engine.claim(claim),
            Store::Sled(engine) => engine.claim(claim).await,
            Store::Postgres(engine) => engine.claim(claim).await,
        }
    }

    /// Walks stored documents. A page is a hint: read by key before deciding on what it shows.
    pub async fn scan(&self, scan: &Scan) -> Result<Page<(DocKey, Stored)>, Unavailable> {
        let (keys, next) = match self {
            Store::Memory(engine) => engine.scan(scan),
            Store::Sled(engine) => engine.scan(scan).await?,
            Store::Postgres(engine) => engine.scan(scan).await?,
        };
        let mut items = Vec::with_capacity(keys.len());
        for key in keys {
            match self.load(&[key]).await {
                Ok(mut docs) => items.extend(docs.pop().flatten().map(|doc| (key, doc))),
                // One damaged record must not hide all others.
                Err(Unavailable::Damaged { record, why }) => {
                    tracing::error!(record, error = why, "a damaged record was left out of a list");
                }
                Err(why) => return Err(why),
            }
        }
        Ok(Page { items, next })
    }

    /// The counters of a group whose names come after `after`, in order of name.
    pub async fn counters(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(CounterKey, i64)>, Unavailable> {
        match self {
            Store::Memory(engine) => Ok(engine.counters(group, after, limit)),
            Store::Sled(engine) => engine.counters(group, after, limit).await,
            Store::Postgres(engine) => engine.counters(group, after, limit).await,
        }
    }

    /// Names of the groups that have counters, in order.
    pub async fn counter_groups(&self) -> Result<Vec<String>, Unavailable> {
        match self {
            Store::Memory(engine) => Ok(engine.counter_groups()),
            Store::Sled(engine) => engine.counter_groups().await,
            Store::Postgres(engine) => engine.counter_groups().await,
        }
    }

    /// The partitions after `after` in which there is anything, in order. What is new meanwhile may be missing.
    pub async fn partitions(
        &self,
        after: Option<Partition>,
        limit: usize,
    ) -> Result<Vec<Partition>, Unavailable> {
        match self {
            Store::Memory(engine) => Ok(engine.partitions(after, limit)),
            Store::Sled(engine) => engine.partitions(after, limit).await,
            Store::Postgres(engine) => engine.partitions(after, limit).await,
        }
    }

    /// Rings whenever a committed batch has put messages into the outbox. Only a hint: whoever waits on it
    /// looks by itself now and then.
    #[must_use]
    pub fn outbox_bell(&self) -> watch::Receiver<u64> {
        match self {
            Store::Memory(engine) => engine.outbox_bell(),
            Store::Sled(engine) => engine.outbox_bell(),
            Store::Postgres(engine) => engine.outbox_bell(),
        }
    }

    /// Returns when the store has stopped for good, with the reason.
    pub async fn stopped(&self) -> String {
        match self {
            Store::Memory(_) => std::future::pending().await,
            Store::Sled(engine) => engine.stopped().await,
            Store::Postgres(engine) => engine.stopped().await,
        }
    }

    /// Whether the store works: commits something small as anything is committed, and reads.
    pub async fn probe(&self) -> Result<(), Unavailable> {
        match self {
            Store::Memory(_) => Ok(()),
            Store::Sled(engine) => engine.probe().await,
            Store::Postgres(engine) => engine.probe().await,
        }
    }

    /// What the store says of itself; none where there is nothing to say.
    pub async fn condition(&self) -> Result<Option<Condition>, Unavailable> {
        match self {
            Store::Memory(_) | Store::Sled(_) => Ok(None),
            Store::Postgres(engine) => engine.condition().await.map(Some),
        }
    }

    /// What was seen of a database's servers, for figures.
    #[must_use]
    pub fn servers_seen(&self) -> Option<postgres::Seen> {
        match self {
            Store::Memory(_) | Store::Sled(_) => None,
            Store::Postgres(engine) => Some(engine.seen()),
        }
    }

    /// Why nothing can be done with the store yet, if that is so: it began before its database could be written to.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        match self {
            Store::Memory(_) | Store::Sled(_) => None,
            Store::Postgres(engine) => engine.waits_for(),
        }
    }

    /// The time by which messages of the outbox are due.
    pub async fn outbox_now(&self) -> Result<Timestamp, Unavailable> {
        match self {
            Store::Memory(engine) => Ok(engine.now()),
            Store::Sled(engine) => Ok(engine.outbox_now()),
            Store::Postgres(engine) => engine.outbox_now().await,
        }
    }

    /// The time by the store's clock, which all receivers share; none where it is this machine's own.
    pub async fn now(&self) -> Result<Option<Timestamp>, Unavailable> {
        match self {
            Store::Memory(_) | Store::Sled(_) => Ok(None),
            Store::Postgres(engine) => engine.now().await.map(Some),
        }
    }

    /// What of the store this user may not write to.
    pub async fn unwritable(&self) -> Result<Vec<String>, Unavailable> {
        match self {
            Store::Memory(_) | Store::Sled(_) => Ok(Vec::new()), // what is open is ours
            Store::Postgres(engine) => engine.unwritable().await,
        }
    }

    /// Finishes what was begun and lets go of the files.
    pub async fn close(&self) {
        match self {
            Store::Memory(_) | Store::Postgres(_) => {}
            Store::Sled(engine) => engine.close().await,
        }
    }
}
