//! The operations of the store. They delegate to the writers, readers and
//! links.

use super::address::Address;
use super::job::Job;
use super::known::Seen;
use super::link::Link;
use super::opened::Opening;
use super::opened::{NoPrimary, OpenError};
use super::schema::Migration;
use super::seen_pages::SeenPages;
use super::time::Time;
use super::{
    Postgres, TROUBLE_MEMORY, WAITING_MAX, condition, counters, hints, link, lists, opening,
    outbox, reader, schema, writer,
};
use crate::batch::{Batch, CounterKey, Stored};
use crate::scan::{Found, Scan};
use crate::workers::Workers;
use crate::{CommitError, Condition, ReadTrust, Unavailable};
use futures_util::future::try_join_all;
use std::sync::{Arc, PoisonError};
use tillgate_kernel::DocKey;
use tillgate_kernel::outbox::{Claim, Claimed};
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Clock, Partition, Timestamp};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

impl Postgres {
    /// Opens the store. Its schema is created or migrated, unless `migration`
    /// refuses that.
    pub async fn open(
        address: &Address,
        migration: Migration,
        clock: &Clock,
    ) -> Result<Postgres, OpenError> {
        schema::prepare(address, migration).await?;
        Ok(Postgres::begin(address, clock, watch::Sender::new(Opening::Open), None))
    }

    /// Like [`Postgres::open`]. But if the database has no server that accepts
    /// writes now, the store is returned all the same, and is unavailable until
    /// there is one.
    pub async fn open_or_wait(
        address: &Address,
        migration: Migration,
        clock: &Clock,
    ) -> Result<Postgres, OpenError> {
        match Postgres::open(address, migration, clock).await {
            Err(OpenError::NoPrimary(NoPrimary { why, .. })) => {
                tracing::warn!(
                    database = %address,
                    reason = why,
                    "the database is not available yet"
                );
                Ok(Postgres::begin(
                    address,
                    clock,
                    watch::Sender::new(Opening::Waits { why }),
                    Some(migration),
                ))
            }
            opened => opened,
        }
    }

    fn begin(
        address: &Address,
        clock: &Clock,
        opening: watch::Sender<Opening>,
        waits: Option<Migration>,
    ) -> Postgres {
        let opening = Arc::new(opening);
        let waits = waits.map(|migration| {
            let waits = opening::wait(address.clone(), migration, Arc::clone(&opening));
            AbortOnDropHandle::new(tokio::spawn(waits))
        });
        let link = |role| Arc::new(Link::new(address.clone(), role, opening.subscribe()));
        let workers = Workers::new();
        let (batches, waiting_batches) = mpsc::channel(WAITING_MAX);
        let (reads, waiting_reads) = mpsc::channel(WAITING_MAX);
        let trouble = writer::Trouble::default();
        let time = Time::of(clock);
        let committed = Arc::new(Notify::new());
        let hints = hints::start(link(link::Role::Slow), Arc::clone(&committed), workers.clone());
        let (trouble_of_writers, time_of_writers) = (Arc::clone(&trouble), time.clone());
        let (orphans, seen) = (Arc::default(), SeenPages::new());
        let shared = writer::Shared {
            workers: workers.clone(),
            orphans: Arc::clone(&orphans),
            seen: seen.clone(),
            committed,
            trouble: trouble_of_writers,
            time: time_of_writers,
        };
        writer::start(&batches, waiting_batches, &shared, || link(link::Role::Fast));
        reader::start(waiting_reads, &seen, || link(link::Role::Fast));
        // Summing has a link of its own: statements of others must not get into
        // its transaction.
        let summing = counters::start_summing(link(link::Role::Slow));
        let surveying = {
            let address = address.clone();
            AbortOnDropHandle::new(tokio::spawn(async move { address.keep_surveying().await }))
        };
        let (pieces, slow, looks) =
            (link(link::Role::Fast), link(link::Role::Slow), link(link::Role::Looks));
        Postgres {
            address: address.clone(),
            time,
            opening,
            batches,
            reads,
            pieces,
            slow,
            looks,
            workers,
            orphans,
            trouble,
            _summing: summing,
            _hints: hints,
            _surveying: surveying,
            _waits: waits,
        }
    }

    /// Returns when the database turns out to be unusable for good, with the
    /// reason.
    pub(crate) async fn stopped(&self) -> String {
        let mut opening = self.opening.subscribe();
        let failed = opening.wait_for(|opening| matches!(opening, Opening::Failed { .. })).await;
        match failed.as_deref() {
            Ok(Opening::Failed { why }) => why.clone(),
            Ok(Opening::Open | Opening::Waits { .. }) | Err(_) => std::future::pending().await,
        }
    }

    /// Why the store is not usable yet, if so.
    pub(crate) fn waits_for(&self) -> Option<String> {
        match &*self.opening.borrow() {
            Opening::Open => None,
            Opening::Waits { why } | Opening::Failed { why } => Some(why.clone()),
        }
    }

    pub(crate) async fn condition(&self) -> Result<Condition, Unavailable> {
        condition::condition(self).await
    }

    /// What was observed of the servers.
    pub(crate) fn seen(&self) -> Seen {
        self.address.seen()
    }

    pub(crate) async fn commit(&self, mut batch: Batch) -> Result<Vec<i64>, CommitError> {
        let (answer, answered) = oneshot::channel();
        let reserved = self.workers.reserve(&mut batch);
        let job = Job::new(batch, reserved, answer);
        let closed = || Unavailable::Unreachable("the store has been closed".into());
        self.batches.send(job).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed().into()))
    }

    pub(crate) async fn load(
        &self,
        keys: &[DocKey],
        belief: ReadTrust,
    ) -> Result<Vec<Option<Stored>>, Unavailable> {
        // The readers combine what is asked for at the same moment.
        let pages = keys.chunk_by(|one, next| one.partition == next.partition);
        let found = try_join_all(pages.map(|keys| {
            reader::with_page(self, keys[0].partition, belief, |page| {
                reader::documents(self, page, keys)
            })
        }));
        let found = found.await?;
        Ok(found.into_iter().flatten().collect())
    }

    pub(crate) async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, Unavailable> {
        outbox::claim(self, claim).await
    }

    pub(crate) async fn scan(&self, scan: &Scan) -> Result<Found, Unavailable> {
        lists::scan(self, scan).await
    }

    pub(crate) async fn balances(&self, keys: &[CounterKey]) -> Result<Vec<i64>, Unavailable> {
        counters::balances(self, keys).await
    }

    pub(crate) async fn counters(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(CounterKey, i64)>, Unavailable> {
        counters::counters(self, group, after, limit).await
    }

    pub(crate) async fn counter_groups(&self) -> Result<Vec<String>, Unavailable> {
        counters::counter_groups(self).await
    }

    pub(crate) async fn partitions(
        &self,
        after: Option<Partition>,
        limit: usize,
    ) -> Result<Vec<Partition>, Unavailable> {
        lists::partitions(self, after, limit).await
    }

    pub(crate) const fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Checks that the store works. It commits something small, which waits for
    /// the disk and the standby like every commit and needs the rights that
    /// writing an order needs; and it reads through a reader, as hooks do.
    pub(crate) async fn probe(&self) -> Result<(), Unavailable> {
        if let Some((since, why)) = &*self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
            && since.elapsed() < TROUBLE_MEMORY
        {
            // Something as small as a probe may still fit where an order does
            // not.
            return Err(Unavailable::Unreachable(why.clone()));
        }
        let text = "BEGIN; DELETE FROM tillgate.pages WHERE false; \
                    SELECT pg_logical_emit_message(true, 'tillgate', 'probe'); COMMIT";
        let connected = self.pieces.get().await?;
        let committed =
            connected.without_warning(&self.address, connected.client.batch_execute(text)).await;
        if let Err(why) = committed {
            self.pieces.abandon(&connected).await;
            return Err(why.into());
        }
        reader::page(self, Partition::FIRST, ReadTrust::Hint).await.map(drop)
    }

    /// The tables of tillgate that the database user may not write to.
    pub(crate) async fn unwritable(&self) -> Result<Vec<String>, Unavailable> {
        let text = "SELECT c.oid::regclass::text FROM pg_class c \
                    JOIN pg_namespace n ON n.oid = c.relnamespace \
                    WHERE n.nspname = 'tillgate' AND c.relkind IN ('r', 'p') \
                    AND c.relname <> 'schema_versions' \
                    AND NOT (has_table_privilege(c.oid, 'SELECT') \
                    AND has_table_privilege(c.oid, 'INSERT') \
                    AND has_table_privilege(c.oid, 'UPDATE') \
                    AND has_table_privilege(c.oid, 'DELETE')) ORDER BY 1";
        let rows = reader::query(&self.slow, text, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    pub(crate) async fn outbox_now(&self) -> Result<Timestamp, Unavailable> {
        match self.time.of_a_test() {
            Some(now) => Ok(from_micros(now)),
            None => self.now().await,
        }
    }

    pub(crate) async fn now(&self) -> Result<Timestamp, Unavailable> {
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let rows = reader::query(&self.slow, text, &[]).await?;
        let micros = rows.first().map(|row| row.get(0));
        micros
            .map(from_micros)
            .ok_or_else(|| Unavailable::Unreachable("the database returned no time".into()))
    }
}
