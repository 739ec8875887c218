//! The engine for many receivers: PostgreSQL. Receivers keep nothing of their own, so any of them can die, and more can
//! be started, at any time.
//!
//! - All batches that wait in a process become durable in one transaction ([`writer`]), each succeeding or conflicting
//!   alone: the statements are set-based and there are about as many of them as for one batch.
//! - READ COMMITTED is enough: what is there is locked before it is judged, in the order of the partitions on every node,
//!   and absence is asserted only by inserting.
//! - Reads go in groups as well ([`reader`]). What is visible is on the primary's disk, and may be on no standby: an answer
//!   that is built on it waits for a [`barrier`] behind the read.
//! - Leases run on the database's clock, and a settlement needs the fence that its claim was given ([`outbox`]).
//! - A commit whose outcome is unknown is answered with "unavailable"; the sender repeats, and the receipt decides.
//!
//! The statements keep to what PostgreSQL-compatible distributed databases support, and a batch touches the rows of one
//! partition. (docs/adr/0010-postgresql-in-groups.md)

mod address;
mod barrier;
mod condition;
mod link;
mod opening;
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
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_postgres::error::SqlState;
use tokio_util::task::AbortOnDropHandle;

pub use self::address::{Address, BadAddress};
use self::link::Link;
use self::opening::Opening;
pub use self::schema::{Migration, may_migrate};
pub use self::server::Seen;
use super::batch::{Batch, CounterKey, Stored};
use super::page::Page;
use super::scan::{Found, Scan};
use super::{Belief, CommitError, Condition, Unavailable};
use crate::kernel::DocKey;
use crate::kernel::time::from_micros;
use crate::kernel::{Clock, Partition, Timestamp};
use crate::outbox::{Claim, Claimed};

/// Batches that may wait for a writer, and reads for a reader. When it is full, callers wait for a place.
const WAITING_MAX: usize = 4096;

/// How long anything may take that a hook waits for, as our side counts it.
const CALL_MILLISECONDS_MAX: u64 = 2000;

/// How long a commit that the server could not do is held against it, while none has succeeded since.
const TROUBLE_MEMORY: Duration = Duration::from_secs(3);

/// A store in PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    address: Address,
    /// By which messages are due.
    time: Time,
    opening: Arc<watch::Sender<Opening>>,
    batches: mpsc::Sender<writer::Job>,
    reads: mpsc::Sender<reader::Job>,
    /// For the pieces of long documents, which hooks wait for as well.
    pieces: Arc<Link>,
    /// For what no hook waits for: lists and claims.
    slow: Arc<Link>,
    /// For how the server stands.
    looks: Arc<Link>,
    outbox_bell: watch::Sender<u64>,
    orphans: outbox::Orphans,
    trouble: writer::Trouble,
    _summing: AbortOnDropHandle<()>,
    _surveying: AbortOnDropHandle<()>,
    _waits: Option<AbortOnDropHandle<()>>,
}

/// Why a database cannot be used as a store. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It lives, and takes no writes now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
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

/// A database that lives and takes no writes now.
#[derive(Debug, thiserror::Error)]
#[error(
    "{address}: no server there takes writes now ({why}). Is a fail-over under way? Promote a standby, or name its primary"
)]
pub struct NotNow {
    /// Where, without a password.
    pub address: String,
    /// What each server said.
    pub why: String,
}

impl Postgres {
    /// Opens the store; its schema is created or brought up to date unless `migration` says otherwise.
    pub async fn open(address: &Address, migration: Migration, clock: &Clock) -> Result<Postgres, OpenError> {
        schema::prepare(address, migration).await?;
        Ok(Postgres::begin((address, clock), watch::Sender::new(Opening::Open), None))
    }

    /// The same, but of a database that lives and takes no writes now a store is made that is unavailable until it does.
    pub async fn open_or_wait(
        address: &Address,
        migration: Migration,
        clock: &Clock,
    ) -> Result<Postgres, OpenError> {
        match Postgres::open(address, migration, clock).await {
            Err(OpenError::NotNow(NotNow { why, .. })) => {
                tracing::warn!(database = %address, reason = why, "the database cannot be used yet");
                Ok(Postgres::begin(
                    (address, clock),
                    watch::Sender::new(Opening::Waits { why }),
                    Some(migration),
                ))
            }
            opened => opened,
        }
    }

    fn begin(
        (address, clock): (&Address, &Clock),
        opening: watch::Sender<Opening>,
        waits: Option<Migration>,
    ) -> Postgres {
        let opening = Arc::new(opening);
        let waits = waits.map(|migration| {
            let waits = opening::wait(address.clone(), migration, Arc::clone(&opening));
            AbortOnDropHandle::new(tokio::spawn(waits))
        });
        let link = |role| Arc::new(Link::new(address.clone(), role, opening.subscribe()));
        let outbox_bell = watch::Sender::new(0);
        let (batches, waiting_batches) = mpsc::channel(WAITING_MAX);
        let (reads, waiting_reads) = mpsc::channel(WAITING_MAX);
        let trouble = writer::Trouble::default();
        let time = Time::of(clock);
        let (bell, time) = (outbox_bell.clone(), time.clone());
        let shared = writer::Shared { bell, trouble: Arc::clone(&trouble), time: time.clone() };
        writer::start(&batches, waiting_batches, &shared, || link(link::Role::Fast));
        reader::start(waiting_reads, || link(link::Role::Fast));
        // A connection of its own: what others ask for must not get into its transaction.
        let summing = lists::start_summing(link(link::Role::Slow));
        let surveying = {
            let address = address.clone();
            AbortOnDropHandle::new(tokio::spawn(async move { address.keep_surveying().await }))
        };
        let (pieces, slow, looks) = (link(link::Role::Fast), link(link::Role::Slow), link(link::Role::Looks));
        Postgres {
            address: address.clone(),
            time,
            opening,
            batches,
            reads,
            pieces,
            slow,
            looks,
            outbox_bell,
            orphans: outbox::Orphans::default(),
            trouble,
            _summing: summing,
            _surveying: surveying,
            _waits: waits,
        }
    }

    /// Returns when the database turns out to be none that can be worked on, with the reason.
    pub(super) async fn stopped(&self) -> String {
        let mut opening = self.opening.subscribe();
        let failed = opening.wait_for(|opening| matches!(opening, Opening::Failed { .. })).await;
        match failed.as_deref() {
            Ok(Opening::Failed { why }) => why.clone(),
            Ok(Opening::Open | Opening::Waits { .. }) | Err(_) => std::future::pending().await,
        }
    }

    /// Why nothing can be done yet, if that is so.
    pub(super) fn waits_for(&self) -> Option<String> {
        match &*self.opening.borrow() {
            Opening::Open => None,
            Opening::Waits { why } | Opening::Failed { why } => Some(why.clone()),
        }
    }

    pub(super) async fn condition(&self) -> Result<Condition, Unavailable> {
        condition::condition(self).await
    }

    /// What was seen of the servers.
    pub(super) fn seen(&self) -> Seen {
        self.address.seen()
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        let job = writer::Job::new(batch, answer);
        let closed = || Unavailable::Unreachable("the store has been closed".into());
        self.batches.send(job).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed().into()))
    }

    pub(super) async fn load(
        &self,
        keys: &[DocKey],
        belief: Belief,
    ) -> Result<Vec<Option<Stored>>, Unavailable> {
        let mut found = Vec::with_capacity(keys.len());
        for of_one_page in keys.chunk_by(|one, next| one.partition == next.partition) {
            let looked = reader::with_page(self, of_one_page[0].partition, belief, |page| {
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

    pub(super) async fn partitions(
        &self,
        after: Option<Partition>,
        limit: usize,
    ) -> Result<Vec<Partition>, Unavailable> {
        lists::partitions(self, after, limit).await
    }

    pub(super) fn outbox_bell(&self) -> watch::Receiver<u64> {
        self.outbox_bell.subscribe()
    }

    /// Commits something small, which waits for the disk and the standby as every commit does, and needs the rights that
    /// writing an order needs; and reads as hooks do, through a reader.
    pub(super) async fn probe(&self) -> Result<(), Unavailable> {
        if let Some((since, why)) = &*self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
            && since.elapsed() < TROUBLE_MEMORY
        {
            // What is as small as a probe may still find room where an order does not.
            return Err(Unavailable::Unreachable(why.clone()));
        }
        let text = "BEGIN; DELETE FROM tillgate.pages WHERE false; \
                    SELECT pg_logical_emit_message(true, 'tillgate', 'probe'); COMMIT";
        let connected = self.pieces.get().await?;
        let committed = connected.without_warning(&self.address, connected.client.batch_execute(text)).await;
        if let Err(why) = committed {
            self.pieces.abandon(&connected).await;
            return Err(why.into());
        }
        reader::page(self, Partition::FIRST, Belief::Hint).await.map(drop)
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

    pub(super) async fn outbox_now(&self) -> Result<Timestamp, Unavailable> {
        match self.time.of_a_test() {
            Some(now) => Ok(from_micros(now)),
            None => self.now().await,
        }
    }

    pub(super) async fn now(&self) -> Result<Timestamp, Unavailable> {
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let rows = reader::query(&self.slow, text, &[]).await?;
        let micros = rows.first().map(|row| row.get(0));
        micros.map(from_micros).ok_or_else(|| Unavailable::Unreachable("the database tells no time".into()))
    }
}

/// By which messages are due and leases end.
#[derive(Debug, Clone)]
enum Time {
    /// The database's clock, which all receivers share.
    OfTheDatabase,
    /// A clock that tests move.
    OfATest(Clock),
}

impl Time {
    fn of(clock: &Clock) -> Time {
        match clock {
            Clock::System | Clock::Wrong(_) => Time::OfTheDatabase,
            Clock::Manual(_) => Time::OfATest(clock.clone()),
        }
    }

    /// The present time in microseconds, where it is not the database's to say.
    fn of_a_test(&self) -> Option<i64> {
        match self {
            Time::OfTheDatabase => None,
            Time::OfATest(clock) => Some(clock.now().as_microsecond()),
        }
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

/// What a failure of a group is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// What one of its batches holds: the database will not have it, and never will.
    Data,
    /// What one of its batches is about: it is locked, or takes too long.
    Lock,
    /// The server: its disk is full, or it may not be written to.
    Server,
    /// Nothing that is known: the outcome may be either.
    Unknown,
}

fn blame(failed: &Failed) -> Blame {
    let Failed::Said(why) = failed else { return Blame::Unknown };
    let Some(code) = why.code() else { return Blame::Unknown };
    if [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED].contains(code) {
        return Blame::Lock;
    }
    if [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::INSUFFICIENT_PRIVILEGE].contains(code) {
        return Blame::Server;
    }
    match &code.code()[..2] {
        // Data exceptions, and limits of the database's own.
        "22" | "54" => Blame::Data,
        // Resources, and the system under it.
        "53" | "58" => Blame::Server,
        _ => Blame::Unknown,
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
    /// It was answered by a server that is the primary no more.
    Superseded,
    /// It was not asked: the server has confirmed nothing for some time.
    StandsStill,
    /// The answer is none that was asked for.
    Unfit(&'static str),
}

impl Failed {
    /// What was asked for may have been done all the same. Only the server's own word that it failed says that it was not,
    /// and not even that if the server was told to end what it was at.
    fn leaves_doubt(&self) -> bool {
        match self {
            Failed::TooSlow => true,
            // Counted already, or not asked.
            Failed::Warned(_) | Failed::Superseded | Failed::StandsStill | Failed::Unfit(_) => false,
            Failed::Said(why) => match why.code() {
                Some(code) if *code == SqlState::QUERY_CANCELED => false,
                Some(code) => code.code().starts_with("57") || code.code().starts_with("XX"),
                None => true,
            },
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Said(why) => f.write_str(&words(why)),
            Failed::TooSlow => f.write_str("the database did not answer in time"),
            Failed::Superseded => f.write_str("another server of the database was promoted meanwhile"),
            Failed::StandsStill => f.write_str(
                "the database confirms no commit: its synchronous standby is away, or its disk stands still",
            ),
            Failed::Unfit(what) => write!(f, "the database {what}"),
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
fn signed(partition: Partition) -> i64 {
    (partition.get() ^ (1 << 63)).cast_signed()
}

/// The partition that [`signed`] wrote.
fn unsigned(partition: i64) -> Partition {
    Partition::from_u64(partition.cast_unsigned() ^ (1 << 63))
}

/// A document's id in bytes that sort as it does.
fn id_bytes(id: u128) -> Vec<u8> {
    id.to_be_bytes()[4..].to_vec()
}

fn id_of(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |id, byte| id << 8 | u128::from(*byte))
}

/// A page that is not stored, or what is.
fn unpack(partition: Partition, body: Option<&[u8]>) -> Result<Page, Unavailable> {
    body.map_or_else(|| Ok(Page::empty(partition)), |body| Page::unpack(partition, body))
}
