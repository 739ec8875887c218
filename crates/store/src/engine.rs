//! The store as its callers use it, whichever engine is behind it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::batch::{Batch, CounterKey, Stored};
use super::scan::{Page, Scan};
use super::under_way::Work;
use super::workers::{NewMessages, Workers};
use super::{CommitError, Unavailable, memory, postgres, sled};
use tillgate_kernel::outbox::{Claim, Claimed, Lane};
use tillgate_kernel::{DocKey, Partition, Timestamp};

/// A store: one of the engines. Clones share it.
#[derive(Clone, Debug)]
pub enum Store {
    /// In memory, lost when the process ends: for tests and demos.
    Memory(Arc<memory::Memory>),
    /// In a directory, for one process: the embedded default.
    Sled(Arc<sled::Sled>),
    /// In a PostgreSQL database, shared by any number of processes.
    Postgres(Arc<postgres::Postgres>),
}

/// The condition of a store, as text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// A description of the store.
    pub text: String,
    /// Problems that break a promise of the store, each with what to do about
    /// it.
    pub broken: Vec<String>,
    /// Protections that are not configured, each with what that costs and what
    /// to do about it.
    pub missing: Vec<String>,
}

/// What a caller may build on data that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadTrust {
    /// Shown to people, or checked by a later commit.
    Hint,
    /// An answer that promises that the data is durable.
    StoredPage,
}

impl Store {
    /// Reads documents, in the order of `keys`, to show them or to change them.
    /// If a commit that expects the versions read here succeeds, everything it
    /// builds on is durable too.
    pub async fn load(&self, keys: &[DocKey]) -> Result<Vec<Option<Stored>>, Unavailable> {
        self.load_with(keys, ReadTrust::Hint).await
    }

    /// Reads documents for an answer that promises what they contain. Whatever
    /// is returned is durable.
    pub async fn load_kept(&self, keys: &[DocKey]) -> Result<Vec<Option<Stored>>, Unavailable> {
        self.load_with(keys, ReadTrust::StoredPage).await
    }

    async fn load_with(
        &self,
        keys: &[DocKey],
        belief: ReadTrust,
    ) -> Result<Vec<Option<Stored>>, Unavailable> {
        match self {
            Store::Memory(engine) => Ok(engine.load(keys)),
            Store::Sled(engine) => engine.load(keys).await, // shows only what is durable
            Store::Postgres(engine) => engine.load(keys, belief).await,
        }
    }

    /// Announces work that will soon end in a commit: until the result is
    /// dropped, commits may wait a moment for it.
    #[must_use]
    pub fn begin_work(&self) -> Option<Work> {
        match self {
            Store::Memory(_) | Store::Postgres(_) => None,
            Store::Sled(engine) => Some(engine.under_way.begin()),
        }
    }

    /// Makes a batch durable, all of it or nothing.
    pub async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.commit_with_sums(batch).await.map(|_| ())
    }

    /// The same. Returns the sums of the batch's floors, as the batch has left
    /// them.
    pub async fn commit_with_sums(&self, batch: Batch) -> Result<Vec<i64>, CommitError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Store::Memory(engine) => engine.commit(batch),
            Store::Sled(engine) => engine.commit(batch).await,
            Store::Postgres(engine) => engine.commit(batch).await,
        }
    }

    /// Leases due messages of a lane: at most one of each queue, and only the
    /// oldest of its order.
    pub async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, Unavailable> {
        match self {
            Store::Memory(engine) => engine.claim(claim),
            Store::Sled(engine) => engine.claim(claim).await,
            Store::Postgres(engine) => engine.claim(claim).await,
        }
    }

    /// Lists stored documents. A page is a hint: read a document by its key
    /// before deciding anything by it.
    pub async fn scan(&self, scan: &Scan) -> Result<Page<(DocKey, Stored)>, Unavailable> {
        let Page { items: keys, next } = self.scan_keys(scan).await?;
        let docs = self.load_readable(&keys).await?;
        let items = keys.into_iter().zip(docs);
        let items = items.filter_map(|(key, doc)| Some((key, doc?))).collect();
        Ok(Page { items, next })
    }

    /// Like [`Store::scan`], without the documents.
    pub async fn scan_keys(&self, scan: &Scan) -> Result<Page<DocKey>, Unavailable> {
        let (items, next) = match self {
            Store::Memory(engine) => engine.scan(scan),
            Store::Sled(engine) => engine.scan(scan).await?,
            Store::Postgres(engine) => engine.scan(scan).await?,
        };
        Ok(Page { items, next })
    }

    /// Like [`Store::load`], but leaves out damaged documents, with a line in
    /// the log: one of them must not hide all others of a list.
    pub async fn load_readable(&self, keys: &[DocKey]) -> Result<Vec<Option<Stored>>, Unavailable> {
        match self.load_listed(keys).await {
            Err(Unavailable::Damaged { .. }) => {}
            loaded => return loaded,
        }
        let mut docs = Vec::with_capacity(keys.len());
        for key in keys {
            match self.load_listed(&[*key]).await {
                Ok(mut doc) => docs.push(doc.pop().flatten()),
                Err(Unavailable::Damaged { record, why }) => {
                    tracing::error!(record, error = why, "a damaged record is left out of a list");
                    docs.push(None);
                }
                Err(why) => return Err(why),
            }
        }
        Ok(docs)
    }

    /// Reads documents that a list has named: they are at least as new as the
    /// list.
    async fn load_listed(&self, keys: &[DocKey]) -> Result<Vec<Option<Stored>>, Unavailable> {
        match self {
            Store::Memory(_) | Store::Postgres(_) => self.load(keys).await,
            Store::Sled(engine) => engine.load_stored(keys).await,
        }
    }

    /// The durable values of counters, in the order of `keys`. They are hints
    /// for a decision: a batch that must not go below one has a floor.
    pub async fn balances(&self, keys: &[CounterKey]) -> Result<Vec<i64>, Unavailable> {
        match self {
            Store::Memory(engine) => Ok(engine.balances(keys)),
            Store::Sled(engine) => engine.balances(keys).await,
            Store::Postgres(engine) => engine.balances(keys).await,
        }
    }

    /// The counters of a group whose names are greater than `after`, ordered by
    /// name.
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

    /// The names of the groups that have counters, in order.
    pub async fn counter_groups(&self) -> Result<Vec<String>, Unavailable> {
        match self {
            Store::Memory(engine) => Ok(engine.counter_groups()),
            Store::Sled(engine) => engine.counter_groups().await,
            Store::Postgres(engine) => engine.counter_groups().await,
        }
    }

    /// The non-empty partitions after `after`, in order. Partitions that are
    /// created meanwhile may be missing.
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

    /// Changes whenever the workers of a lane may find something to send after
    /// a commit. This is only a hint: a worker that waits for it must also poll
    /// now and then.
    #[must_use]
    pub fn outbox_wakeups(&self, lane: Lane) -> watch::Receiver<u64> {
        self.workers().wakeups(lane)
    }

    /// From now on, commits of this process hand new messages of a lane to the
    /// caller. See [`Workers::take_new`].
    pub(crate) fn take_new(
        &self,
        lane: Lane,
        lease: Duration,
        slots: Arc<Semaphore>,
    ) -> Option<NewMessages> {
        self.workers().take_new(lane, lease, slots)
    }

    fn workers(&self) -> &Workers {
        match self {
            Store::Memory(engine) => engine.workers(),
            Store::Sled(engine) => engine.workers(),
            Store::Postgres(engine) => engine.workers(),
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

    /// Checks that the store works: commits something small in the usual way,
    /// and reads.
    pub async fn probe(&self) -> Result<(), Unavailable> {
        match self {
            Store::Memory(_) => Ok(()),
            Store::Sled(engine) => engine.probe().await,
            Store::Postgres(engine) => engine.probe().await,
        }
    }

    /// The condition of the store; none for engines that have nothing to
    /// report.
    pub async fn condition(&self) -> Result<Option<Condition>, Unavailable> {
        match self {
            Store::Memory(_) | Store::Sled(_) => Ok(None),
            Store::Postgres(engine) => engine.condition().await.map(Some),
        }
    }

    /// What was observed of the servers of a database, for metrics.
    #[must_use]
    pub fn servers_seen(&self) -> Option<postgres::Seen> {
        match self {
            Store::Memory(_) | Store::Sled(_) => None,
            Store::Postgres(engine) => Some(engine.seen()),
        }
    }

    /// Why the store is not usable yet, if so: it was opened before its
    /// database accepted writes.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        match self {
            Store::Memory(_) | Store::Sled(_) => None,
            Store::Postgres(engine) => engine.waits_for(),
        }
    }

    /// The current time by the clock that decides when messages are due.
    pub async fn outbox_now(&self) -> Result<Timestamp, Unavailable> {
        match self {
            Store::Memory(engine) => Ok(engine.now()),
            Store::Sled(engine) => Ok(engine.outbox_now()),
            Store::Postgres(engine) => engine.outbox_now().await,
        }
    }

    /// The current time by the store's clock, which all receivers share; none
    /// if the store uses the clock of this machine.
    pub async fn now(&self) -> Result<Option<Timestamp>, Unavailable> {
        match self {
            Store::Memory(_) | Store::Sled(_) => Ok(None),
            Store::Postgres(engine) => engine.now().await.map(Some),
        }
    }

    /// The parts of the store that the current user may not write to.
    pub async fn unwritable(&self) -> Result<Vec<String>, Unavailable> {
        match self {
            Store::Memory(_) | Store::Sled(_) => Ok(Vec::new()), // an open store is writable
            Store::Postgres(engine) => engine.unwritable().await,
        }
    }

    /// Finishes pending work and releases the files.
    pub async fn close(&self) {
        match self {
            Store::Memory(_) | Store::Postgres(_) => {}
            Store::Sled(engine) => engine.close().await,
        }
    }
}
