//! The engine for many receivers: PostgreSQL. Receivers keep nothing of their own, so any of them can die, and more can
//! be started, at any time.
//!
//! - All batches that wait in a process become durable in one transaction ([`writer`]), each succeeding or conflicting
//!   alone: the statements are set-based and there are about as many of them as for one batch.
//! - READ COMMITTED is enough: what is there is locked before it is judged, in the order of the partitions on every node,
//!   and absence is asserted only by inserting.
//! - Reads go in groups as well ([`reader`]). What is visible is durable: PostgreSQL shows a transaction to others only
//!   after its commit record is on the disk.
//! - Leases run on the database's clock, and a settlement needs the fence that its claim was given ([`outbox`]).
//! - A commit whose outcome is unknown is answered with "unavailable"; the sender repeats, and the receipt decides.
//!
//! The statements keep to what PostgreSQL-compatible distributed databases support, and a batch touches the rows of one
//! partition. (docs/adr/0010-postgresql-in-groups.md)

mod link;
mod schema;
mod server;

mod writer;

mod group;
mod rows;

mod reader;

mod lists;
mod outbox;

#[cfg(test)]
pub mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_postgres::error::SqlState;
use tokio_util::task::AbortOnDropHandle;

use self::link::Link;
pub use self::schema::{Migration, may_migrate};
pub use self::server::{Address, BadAddress};
use super::batch::{Batch, CounterKey, DocKey, Stored};
use super::page::Page;
use super::queue::{Claim, Claimed};
use super::scan::{Found, Scan};
use super::{CommitError, Unavailable};
use crate::kernel::Timestamp;
use crate::kernel::time::from_micros;

/// Batches that may wait for a writer, and reads for a reader. When it is full, callers wait for a place.
const WAITING_MAX: usize = 4096;

/// How long anything may take that a hook waits for, as our side counts it.
const CALL_MILLISECONDS_MAX: u64 = 2000;

/// A store in PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    batches: mpsc::Sender<writer::Job>,
    reads: mpsc::Sender<reader::Job>,
    /// For the pieces of long documents, which hooks wait for as well.
    pieces: Arc<Link>,
    /// For what no hook waits for: lists and claims.
    slow: Arc<Link>,
    outbox_bell: watch::Sender<u64>,
    _summing: AbortOnDropHandle<()>,
}

/// Why a database cannot be used as a store. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be reached.
    #[error("{address}: {why}. Is PostgreSQL running there, and may this user log in?")]
    NotReached {
        /// Where, without a password.
        address: String,
        /// What was said.
        why: String,
    },
    /// Its schema is of a version that this program does not know.
    #[error(
        "{address}: the schema is of version {found}, made by a newer tillgate, and this one knows {known}. Run the \
         newer one"
    )]
    Newer {
        /// Where.
        address: String,
        /// The version there.
        found: i32,
        /// The version here.
        known: i32,
    },
    /// Its schema is older, and is not to be changed.
    #[error(
        "{address}: the schema is of version {found}, and {known} is needed. Run: tillgate migrate, as a user who may \
         create tables"
    )]
    Older {
        /// Where.
        address: String,
        /// The version there.
        found: i32,
        /// The version here.
        known: i32,
    },
    /// The schema could not be changed.
    #[error("{address}: the schema could not be brought to version {known}: {why}")]
    NotMigrated {
        /// Where.
        address: String,
        /// The version here.
        known: i32,
        /// What was said.
        why: String,
    },
}

impl Postgres {
    /// Opens the store; its schema is created or brought up to date unless `migration` says otherwise.
    pub async fn open(address: &Address, migration: Migration) -> Result<Postgres, OpenError> {
        schema::prepare(address, migration).await?;
        let link = |role| Arc::new(Link::new(address.clone(), role));
        let outbox_bell = watch::Sender::new(0);
        let (batches, waiting_batches) = mpsc::channel(WAITING_MAX);
        let (reads, waiting_reads) = mpsc::channel(WAITING_MAX);
        writer::start(waiting_batches, &outbox_bell, || link(link::Role::Fast));
        reader::start(waiting_reads, || link(link::Role::Fast));
        // A connection of its own: what others ask for must not get into its transaction.
        let summing = lists::start_summing(link(link::Role::Slow));
        let (pieces, slow) = (link(link::Role::Fast), link(link::Role::Slow));
        Ok(Postgres { batches, reads, pieces, slow, outbox_bell, _summing: summing })
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        let job = writer::Job { batch, answer };
        let closed = || Unavailable::Unreachable("the store has been closed".into());
        self.batches.send(job).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed().into()))
    }

    pub(super) async fn load(&self, keys: &[DocKey]) -> Result<Vec<Option<Stored>>, Unavailable> {
        let mut found = Vec::with_capacity(keys.len());
        for of_one_page in keys.chunk_by(|one, next| one.partition == next.partition) {
            let looked = reader::with_page(self, of_one_page[0].partition, |page| {
                reader::documents(self, page, of_one_page)
            });
            found.extend(looked.await?);
        }
        Ok(found)
    }

    pub(super) async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, Unavailable> {
        outbox::claim(self, claim).await
    }

    pub(super) async fn scan(&self, scan: &Scan) -> Result<Found, Unavailable> {
        lists::scan(self, scan).await
    }

    pub(super) async fn counters(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(CounterKey, i64)>, Unavailable> {
        lists::counters(self, group, after, limit).await
    }

    pub(super) async fn counter_groups(&self) -> Result<Vec<String>, Unavailable> {
        lists::counter_groups(self).await
    }

    pub(super) async fn partitions(&self, after: Option<u64>, limit: usize) -> Result<Vec<u64>, Unavailable> {
        lists::partitions(self, after, limit).await
    }

    pub(super) fn outbox_bell(&self) -> watch::Receiver<u64> {
        self.outbox_bell.subscribe()
    }

    pub(super) async fn ping(&self) -> Result<(), Unavailable> {
        // As hooks do: through a reader.
        reader::page(self, 0).await.map(drop)
    }

    /// The tables of ours that the database's user may not write to.
    pub(super) async fn unwritable(&self) -> Result<Vec<String>, Unavailable> {
        let text = "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                    WHERE n.nspname = 'tillgate' AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_versions' \
                    AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') \
                    AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')) ORDER BY 1";
        let rows = reader::query(&self.slow, text, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    pub(super) async fn now(&self) -> Result<Timestamp, Unavailable> {
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let rows = reader::query(&self.slow, text, &[]).await?;
        let micros = rows.first().map(|row| row.get(0));
        micros.map(from_micros).ok_or_else(|| Unavailable::Unreachable("the database tells no time".into()))
    }
}

/// What went wrong, for people: the server's own words where there are some.
fn words(why: &tokio_postgres::Error) -> String {
    match why.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => {
            // The outermost text says "error connecting to server"; what is behind it says why.
            let mut texts = vec![why.to_string()];
            let mut source = std::error::Error::source(why);
            while let Some(behind) = source {
                texts.push(behind.to_string());
                source = behind.source();
            }
            texts.dedup();
            texts.join(": ")
        }
    }
}

/// Whether doing the whole transaction again may succeed at once: somebody else was quicker, or stood in the way.
fn is_conflict(why: &tokio_postgres::Error) -> bool {
    let conflicts =
        [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::UNIQUE_VIOLATION];
    why.code().is_some_and(|code| conflicts.contains(code))
}

/// Whether the database will not have what it was given, and never will: data exceptions and limits of its own.
fn is_about_data(failed: &Failed) -> bool {
    match failed {
        Failed::Said(why) => why.code().is_some_and(|code| ["22", "54"].contains(&&code.code()[..2])),
        Failed::TooSlow | Failed::Warned(_) => false,
    }
}

/// Waits for an answer of the database, but not longer than a hook can wait.
async fn in_time<T>(call: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failed> {
    within(Duration::from_millis(CALL_MILLISECONDS_MAX), call).await
}

async fn within<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failed> {
    match tokio::time::timeout(patience, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(why)) => Err(Failed::Said(why)),
        Err(_) => Err(Failed::TooSlow),
    }
}

/// Why a call to the database failed.
#[derive(Debug)]
enum Failed {
    /// The database or the connection says so.
    Said(tokio_postgres::Error),
    /// There was no answer in time.
    TooSlow,
    /// It was answered, and the server has warned meanwhile: less may have been done.
    Warned(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Said(why) => f.write_str(&words(why)),
            Failed::TooSlow => f.write_str("the database did not answer in time"),
            Failed::Warned(warning) => write!(
                f,
                "the database warned beside its answer, so what it was asked for may not be kept as promised: {warning}"
            ),
        }
    }
}

impl From<Failed> for Unavailable {
    fn from(failed: Failed) -> Unavailable {
        Unavailable::Unreachable(failed.to_string())
    }
}

/// A partition in the database's signed numbers, in the same order.
fn signed(partition: u64) -> i64 {
    (partition ^ (1 << 63)).cast_signed()
}

/// The partition that [`signed`] wrote.
fn unsigned(partition: i64) -> u64 {
    partition.cast_unsigned() ^ (1 << 63)
}

/// A document's id in bytes that sort as it does.
fn id_bytes(id: u128) -> Vec<u8> {
    id.to_be_bytes()[4..].to_vec()
}

fn id_of(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |id, byte| id << 8 | u128::from(*byte))
}

/// A page that is not stored, or what is.
fn unpack(partition: u64, body: Option<&[u8]>) -> Result<Page, Unavailable> {
    body.map_or_else(|| Ok(Page::empty(partition)), |body| Page::unpack(partition, body))
}
