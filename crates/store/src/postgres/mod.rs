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
mod codec;
mod commit_group;
mod condition;
mod engine;
mod failed;
mod group;
mod known;
mod link;
mod lists;
mod opened;
mod opening;
mod outbox;
mod reader;
mod rows;
mod schema;
mod server;
mod suspects;
mod time;
mod writer;

#[cfg(test)]
pub mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

pub use self::address::{Address, BadAddress};
pub use self::known::Seen;
use self::link::Link;
use self::opened::Opening;
pub use self::opened::{NotNow, OpenError};
pub use self::schema::{Migration, may_migrate};
use self::time::Time;

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
