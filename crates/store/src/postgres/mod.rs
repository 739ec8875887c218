//! The engine for several receivers: PostgreSQL. Receivers keep no state of
//! their own, so any of them can die, and more can be started, at any time.
//!
//! - All batches that wait in a process are committed in one transaction
//!   ([`writer`]), and each succeeds or conflicts on its own. The statements
//!   are set-based, so there are about as many of them as for one batch.
//! - READ COMMITTED is enough: stored rows are locked before they are checked,
//!   in the order of the partitions on every node, and absence is asserted only
//!   by inserting.
//! - Reads are grouped too ([`reader`]). What is visible is on the primary's
//!   disk, but possibly on no standby: an answer that builds on it waits for a
//!   [`barrier`] after the read.
//! - Leases run on the database's clock, and a settlement needs the fence that
//!   its claim was given ([`outbox`]).
//! - A commit whose outcome is unknown is answered with "unavailable". The
//!   sender repeats the hook, and the idempotency record decides.
//!
//! The statements use only what PostgreSQL-compatible distributed databases
//! support, and a batch touches the rows of one partition.
//! (docs/adr/0010-postgresql-in-groups.md)

mod address;
mod barrier;
mod busy;
mod codec;
mod commit_group;
mod condition;
mod connection;
mod counters;
mod engine;
mod failed;
mod group;
mod hints;
mod job;
mod known;
mod link;
mod lists;
mod opened;
mod opening;
mod outbox;
mod outbox_rows;
mod reader;
mod rows;
mod schema;
mod seen_pages;
mod server;
mod suspects;
mod time;
mod writer;

#[cfg(test)]
pub mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::workers::Workers;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

pub use self::address::{Address, BadAddress};
pub use self::known::Seen;
use self::link::Link;
use self::opened::Opening;
pub use self::opened::{NoPrimary, OpenError};
pub use self::schema::{Migration, may_migrate};
use self::time::Time;

/// The number of batches that may wait for a writer, and of reads that may wait
/// for a reader. When a queue is full, callers wait for a free place.
const WAITING_MAX: usize = 4096;

/// How long our side waits, in milliseconds, for anything that a hook waits
/// for.
const CALL_MILLISECONDS_MAX: u64 = 2000;

/// How long the store counts as unavailable after a commit that the server
/// failed to do, unless a later commit succeeds.
const TROUBLE_MEMORY: Duration = Duration::from_secs(3);

/// A store in PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    address: Address,
    /// The clock that decides when messages are due.
    time: Time,
    opening: Arc<watch::Sender<Opening>>,
    batches: mpsc::Sender<job::Job>,
    reads: mpsc::Sender<reader::Job>,
    /// For the pieces of long documents, for which hooks wait too.
    pieces: Arc<Link>,
    /// For what no hook waits for: lists and claims.
    slow: Arc<Link>,
    /// For queries about the state of the server.
    looks: Arc<Link>,
    workers: Workers,
    orphans: Arc<outbox::OrphanedLeases>,
    trouble: writer::Trouble,
    _summing: AbortOnDropHandle<()>,
    _hints: AbortOnDropHandle<()>,
    _surveying: AbortOnDropHandle<()>,
    _waits: Option<AbortOnDropHandle<()>>,
}
