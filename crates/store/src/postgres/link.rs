//! Connections: made when they are needed, made anew when they break.
//!
//! Statements of one transaction, and reads that do not depend on one another, are sent without waiting for one
//! another's answers, so a few connections do the work of many and there is no pool.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Statement};

use super::address::Address;
use super::failed::{Failed, in_time};
use super::opened::Opening;
use super::server::{Connection, NotConnected};
use crate::Unavailable;

/// Between two attempts to connect: when the database is down its callers hear so at once meanwhile.
pub const CONNECT_PAUSE: Duration = Duration::from_millis(200);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Hooks wait for it.
    Fast,
    /// Nobody does.
    Slow,
    /// Nothing is built upon what it shows: it is for people who want to know how the server stands.
    Looks,
}

impl Role {
    /// How long our side waits for an answer: longer than the server works on it.
    pub fn patience(self) -> Duration {
        match self {
            Role::Fast => Duration::from_millis(super::CALL_MILLISECONDS_MAX),
            Role::Slow => Duration::from_secs(10),
            Role::Looks => Duration::from_secs(2),
        }
    }

    /// What the server is to give up on, so that a lost client or a lock held elsewhere holds nobody up for long.
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

/// Commits wait for all that they promise, and warnings are sent, whatever the defaults of the server and the user.
pub const PROMISES: &str = "SET client_min_messages = warning; SET synchronous_commit = on";

/// Settings that not every version and every compatible database has, and that are worth having where they are: a query
/// whose client has died lets go of its locks (since PostgreSQL 14); and all statements here go by an index, whatever is
/// known of tables that were empty a minute ago.
const WISHES: [&str; 5] = [
    "SET client_connection_check_interval = '200ms'",
    "SET enable_seqscan = off",
    "SET enable_bitmapscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
];

/// One connection, made anew when it breaks.
#[derive(Debug)]
pub struct Link {
    pub address: Address,
    pub role: Role,
    opening: watch::Receiver<Opening>,
    connected: Mutex<Option<Arc<Connected>>>,
    failed_at: Mutex<Option<(tillgate_kernel::Stopwatch, String)>>,
}

/// A connection with its statements.
pub struct Connected {
    /// Sends statements.
    pub client: Client,
    prepared: Mutex<std::collections::HashMap<&'static str, Statement>>,
    connection: Connection,
    /// The doubts of this process when a barrier came back on it last.
    confirmed_at: AtomicU64,
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

    /// The connection; a new one if the last has broken.
    pub async fn get(&self) -> Result<Arc<Connected>, Unavailable> {
        let mut connected = self.connected.lock().await;
        let is_usable =
            |there: &&Arc<Connected>| !there.client.is_closed() && self.address.is_current(&there.connection);
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

    /// The connection `there`, if what its server shows is kept as its commits promise. That is asked once for each
    /// connection, and again after anything of ours was in doubt.
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
            // Another connection to the same server would find nothing else.
            Err(why @ Failed::StandsStill) => Err(why.into()),
            Err(why) => {
                *connected = None;
                Err(why.into())
            }
        }
    }

    /// Lets go of a connection that cannot be trusted any more: what was sent on it may still be under way.
    pub async fn abandon(&self, broken: &Arc<Connected>) {
        let mut connected = self.connected.lock().await;
        if connected.as_ref().is_some_and(|there| Arc::ptr_eq(there, broken)) {
            *connected = None;
        }
    }

    /// Lets go of the connection, whatever it is at.
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
                Err(Failed::Said(why)) if why.code() == Some(&SqlState::UNDEFINED_OBJECT) => {}
                Err(why) => return Err(Unavailable::from(why).to_string()),
            }
        }
        // What a server shows that has just been started again, or promoted, may be on no other machine.
        let confirmed_at = AtomicU64::new(NEVER);
        Ok(Connected { client, prepared: Mutex::default(), connection, confirmed_at })
    }
}

/// No barrier has come back on a connection yet.
const NEVER: u64 = u64::MAX;

impl Connected {
    /// Waits for a barrier, unless one has come back on this connection since anything of ours was in doubt.
    async fn confirm(self: &Arc<Connected>, address: &Address) -> Result<(), Failed> {
        let doubts = address.doubts();
        if self.confirmed_at.load(Ordering::Relaxed) == doubts {
            return Ok(());
        }
        address.barrier(self).await?;
        self.confirmed_at.store(doubts, Ordering::Relaxed);
        Ok(())
    }

    /// The timeline of its server when the connection was made.
    pub fn timeline(&self) -> u32 {
        self.connection.timeline()
    }

    /// Waits for what must be kept. A server that says something beside its answer may have done less: it was told not to
    /// wait for its standby any longer, for one. What it says is for people, and in their language; that it warns is enough.
    pub async fn without_warning<T>(
        &self,
        address: &Address,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failed> {
        let before = self.warnings();
        match in_time(call).await {
            // Another server may have been promoted meanwhile: then this one's word is worth nothing.
            Ok(_) if !address.is_current(&self.connection) => {
                address.doubt();
                Err(Failed::Superseded)
            }
            Ok(answer) => self.unless_warned(address, before, answer),
            Err(why) => {
                // It may have been done, and be on this server alone.
                if why.leaves_doubt() {
                    address.doubt();
                }
                Err(why)
            }
        }
    }

    /// How often the server has warned.
    pub fn warnings(&self) -> u64 {
        self.connection.warnings()
    }

    /// The answer, unless the server has warned since it had warned `before` times.
    pub fn unless_warned<T>(&self, address: &Address, before: u64, answer: T) -> Result<T, Failed> {
        match self.connection.warned_since(before) {
            None => Ok(answer),
            Some(warning) => {
                address.doubt();
                Err(Failed::Warned(warning))
            }
        }
    }

    /// The statement with this text, prepared once for each connection.
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
