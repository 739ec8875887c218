//! Connections, which are made when they are needed and replaced when they
//! break.
//!
//! Statements of one transaction, and reads that do not depend on each other,
//! are pipelined: they are sent without waiting for earlier answers. So a few
//! connections do the work of many, and there is no pool.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::address::Address;
use super::connection::Connection;
use super::failed::{Failed, in_time};
use super::opened::Opening;
use super::server::NotConnected;
use crate::Unavailable;
use tillgate_kernel::Stopwatch;

/// The pause between two attempts to connect. While the database is down,
/// callers get an error at once in between.
pub const CONNECT_PAUSE: Duration = Duration::from_millis(200);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Hooks wait for it.
    Fast,
    /// No hook waits for it.
    Slow,
    /// For people who want to know the state of the server: nothing is built on
    /// what it shows.
    Looks,
}

impl Role {
    /// How long our side waits for an answer. It is longer than the server
    /// works on it.
    pub fn patience(self) -> Duration {
        match self {
            Role::Fast => Duration::from_millis(super::CALL_MILLISECONDS_MAX),
            Role::Slow => Duration::from_secs(10),
            Role::Looks => Duration::from_secs(2),
        }
    }

    /// The timeouts of the server, so that a lost client or a lock held
    /// elsewhere does not block others for long.
    fn settings(self) -> &'static str {
        match self {
            Role::Fast => {
                "SET statement_timeout = '1800ms'; SET lock_timeout = '200ms'; \
                 SET idle_in_transaction_session_timeout = '5s'"
            }
            Role::Slow | Role::Looks => {
                "SET statement_timeout = '9s'; SET lock_timeout = '5s'; \
                 SET idle_in_transaction_session_timeout = '30s'"
            }
        }
    }
}

/// Commits wait for everything that they promise, and warnings are sent,
/// whatever the defaults of the server and the user are.
pub const PROMISES: &str = "SET client_min_messages = warning; SET synchronous_commit = on";

/// Settings that are useful, but that not every version and every compatible
/// database has. With the first one, a query whose client has died releases its
/// locks (since PostgreSQL 14). With the next four, all our statements use an
/// index, even if the statistics still describe a table as empty. With the last
/// two, a statement is planned once and not compiled: each is small.
const WISHES: [&str; 7] = [
    "SET client_connection_check_interval = '200ms'",
    "SET enable_seqscan = off",
    "SET enable_bitmapscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
];

/// One connection, which is replaced when it breaks.
#[derive(Debug)]
pub struct Link {
    pub address: Address,
    pub role: Role,
    opening: watch::Receiver<Opening>,
    connected: Mutex<Option<Arc<Connected>>>,
    failed_at: Mutex<Option<(tillgate_kernel::Stopwatch, String)>>,
}

/// A connection with its prepared statements.
pub struct Connected {
    pub client: Client,
    prepared: Mutex<std::collections::HashMap<&'static str, Statement>>,
    connection: Connection,
    /// The count of unconfirmed outcomes (`Address::unconfirmed`) when
    /// the last barrier on this connection was sent and then returned.
    confirmed_at: AtomicU64,
    /// The server's time in microseconds when it was read last, and since when.
    read_time: std::sync::Mutex<Option<(Stopwatch, i64)>>,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connected")
    }
}

impl Link {
    pub fn new(address: Address, role: Role, opening: watch::Receiver<Opening>) -> Link {
        Link { address, role, opening, connected: Mutex::default(), failed_at: Mutex::default() }
    }

    /// Returns the connection, or a new one if the last has broken.
    pub async fn get(&self) -> Result<Arc<Connected>, Unavailable> {
        let mut connected = self.connected.lock().await;
        let is_usable = |there: &&Arc<Connected>| {
            !there.client.is_closed() && self.address.is_current(&there.connection)
        };
        if let Some(there) = connected.as_ref().filter(is_usable) {
            let there = Arc::clone(there);
            return self.confirmed(there, &mut connected).await;
        }
        *connected = None;
        let mut failed_at = self.failed_at.lock().await;
        if let Some((since, why)) = failed_at.as_ref()
            && since.elapsed() < CONNECT_PAUSE
        {
            return Err(Unavailable::Unreachable(why.clone()));
        }
        match self.connect().await {
            Ok(made) => {
                *failed_at = None;
                let made = Arc::new(made);
                *connected = Some(Arc::clone(&made));
                self.confirmed(made, &mut connected).await
            }
            Err(why) => {
                *failed_at = Some((tillgate_kernel::Stopwatch::start(), why.clone()));
                Err(Unavailable::Unreachable(why))
            }
        }
    }

    /// Returns the connection `there`, if a barrier confirms that what its
    /// server shows is kept as its commits promise. A barrier is sent once for
    /// each connection, and again after any outcome was unconfirmed.
    async fn confirmed(
        &self,
        there: Arc<Connected>,
        connected: &mut Option<Arc<Connected>>,
    ) -> Result<Arc<Connected>, Unavailable> {
        if self.role == Role::Looks {
            return Ok(there);
        }
        match there.confirm(&self.address).await {
            Ok(()) => Ok(there),
            // Another connection to the same server would give the same result.
            Err(why @ Failed::StandsStill) => Err(why.into()),
            Err(why) => {
                *connected = None;
                Err(why.into())
            }
        }
    }

    /// Drops a connection that cannot be trusted any more: what was sent on it
    /// may still be in progress.
    pub async fn abandon(&self, broken: &Arc<Connected>) {
        let mut connected = self.connected.lock().await;
        if connected.as_ref().is_some_and(|there| Arc::ptr_eq(there, broken)) {
            *connected = None;
        }
    }

    /// Drops the connection, even if it is in use.
    pub async fn forget(&self) {
        *self.connected.lock().await = None;
    }

    async fn connect(&self) -> Result<Connected, String> {
        if let Opening::Waits { why } | Opening::Failed { why } = &*self.opening.borrow() {
            return Err(why.clone());
        }
        let (client, connection) = self.address.connect().await.map_err(NotConnected::into_text)?;
        let settings = format!("{PROMISES}; {}", self.role.settings());
        let set = in_time(client.batch_execute(&settings)).await;
        set.map_err(|why| Unavailable::from(why).to_string())?;
        for wish in WISHES {
            match in_time(client.batch_execute(wish)).await {
                Ok(()) => {}
                Err(Failed::PrimaryStatus(why))
                    if why.code() == Some(&SqlState::UNDEFINED_OBJECT) => {}
                Err(why) => return Err(Unavailable::from(why).to_string()),
            }
        }
        // The data of a server that was just restarted or promoted may be on no
        // other machine.
        let confirmed_at = AtomicU64::new(NEVER);
        let (prepared, read_time) = (Mutex::default(), std::sync::Mutex::default());
        Ok(Connected { client, prepared, connection, confirmed_at, read_time })
    }
}

/// How long the time of a server is calculated from one reading. Clocks of two
/// machines drift apart by less than a millisecond in that time.
const TIME_AGE_MAX: Duration = Duration::from_secs(1);

/// No barrier has returned on the connection yet.
const NEVER: u64 = u64::MAX;

impl Connected {
    /// Sends a barrier and waits for it, unless one has returned on this
    /// connection since the last unconfirmed outcome.
    async fn confirm(self: &Arc<Connected>, address: &Address) -> Result<(), Failed> {
        let unconfirmed = address.unconfirmed();
        if self.confirmed_at.load(Ordering::Relaxed) == unconfirmed {
            return Ok(());
        }
        address.barrier(self).await?;
        self.confirmed_at.store(unconfirmed, Ordering::Relaxed);
        Ok(())
    }

    /// The timeline of the server when the connection was made.
    pub fn timeline(&self) -> u32 {
        self.connection.timeline()
    }

    /// The server's time in microseconds, calculated from when it was read
    /// last; none if that was longer ago than [`TIME_AGE_MAX`].
    pub fn time(&self) -> Option<i64> {
        let (since, micros) = (*self.read_time.lock().unwrap_or_else(PoisonError::into_inner))?;
        let age = Some(since.elapsed()).filter(|age| *age < TIME_AGE_MAX)?;
        Some(micros + i64::try_from(age.as_micros()).unwrap_or_default())
    }

    /// Notes the server's time, which was just read.
    pub fn note_time(&self, micros: i64) {
        *self.read_time.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Stopwatch::start(), micros));
    }

    /// Reads the server's time, in microseconds.
    pub async fn read_time(&self) -> Result<i64, Failed> {
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let rows = self.ask(text, &[]).await?;
        let micros = rows.first().map(|row| row.get(0));
        let micros = micros.ok_or(Failed::NotWritable("returned no time"))?;
        self.note_time(micros);
        Ok(micros)
    }

    /// Runs a statement of a transaction.
    pub async fn ask(
        &self,
        text: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failed> {
        let statement = self.statement(text).await?;
        in_time(self.client.query(&statement, parameters)).await
    }

    /// Runs a statement of a transaction, if it `is_needed`.
    pub async fn ask_if(
        &self,
        is_needed: bool,
        text: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failed> {
        if is_needed { self.ask(text, parameters).await } else { Ok(Vec::new()) }
    }

    /// Waits for a call whose result must be kept. A server that sends a
    /// warning with its answer may have done less: for example, an
    /// administrator may have cancelled its wait for the standby. The text is
    /// for people and may be in any language, so only the fact that there is a
    /// warning counts.
    pub async fn without_warning<T>(
        &self,
        address: &Address,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failed> {
        let before = self.warnings();
        match in_time(call).await {
            // Another server may have been promoted meanwhile. Then this
            // server's answer proves nothing.
            Ok(_) if !address.is_current(&self.connection) => {
                address.note_unconfirmed();
                Err(Failed::Superseded)
            }
            Ok(answer) => self.unless_warned(address, before, answer),
            Err(why) => {
                // It may have been done, but on this server only.
                if why.leaves_doubt() {
                    address.note_unconfirmed();
                }
                Err(why)
            }
        }
    }

    /// Whether the server is still the one to work with.
    pub fn is_current(&self, address: &Address) -> bool {
        address.is_current(&self.connection)
    }

    /// Changes with every notification that the server sends.
    pub fn notifications(&self) -> watch::Receiver<String> {
        self.connection.notifications()
    }

    /// Runs a statement without parameters and results.
    pub async fn execute(&self, text: &str) -> Result<(), Failed> {
        in_time(self.client.batch_execute(text)).await
    }

    /// The number of warnings that the server has sent.
    pub fn warnings(&self) -> u64 {
        self.connection.warnings()
    }

    /// Returns `answer`, unless the server has sent another warning since the
    /// count of warnings was `before`.
    pub fn unless_warned<T>(&self, address: &Address, before: u64, answer: T) -> Result<T, Failed> {
        match self.connection.warned_since(before) {
            None => Ok(answer),
            Some(warning) => {
                address.note_unconfirmed();
                Err(Failed::Warned(warning))
            }
        }
    }

    /// The prepared statement with this text. It is prepared once for each
    /// connection.
    pub async fn statement(&self, text: &'static str) -> Result<Statement, Failed> {
        let mut prepared = self.prepared.lock().await;
        if let Some(statement) = prepared.get(text) {
            return Ok(statement.clone());
        }
        let statement = in_time(self.client.prepare(text)).await?;
        prepared.insert(text, statement.clone());
        Ok(statement)
    }
}
