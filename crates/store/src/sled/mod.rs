//! The embedded engine: one process, one directory, nothing to install.
//!
//! sled keeps a crash-safe log and a tree, but it is durable only where we make
//! it so (docs/adr/0004-sled-made-durable.md):
//!
//! - One thread, the [`committer`], makes every change. It takes all waiting
//!   batches and writes them as one atomic sled batch, a *group*. Then it
//!   flushes and calls `sync_data` on sled's file, because sled's own flush
//!   ends in `sync_file_range`, which a power cut can undo. Only then do
//!   callers get "committed".
//! - What is read is durable too: a record carries the number of the group that
//!   wrote it. A reader that meets a group that is not on the disk yet waits
//!   for it.
//! - A failed flush or sync is final: the disk may have kept the old bytes
//!   although a second attempt would return OK. The engine stops and the
//!   process ends; recovery reads what the disk really has.
//! - A write that does not end is final too: a [`watchdog`] ends the process,
//!   since sled can deadlock.
//! - The last durable group is recorded in a file of our own, the [`note`]. A
//!   store that opens with less than that is refused as damaged.
//! - Operations that a hanging disk could block run on threads of their own,
//!   with a deadline.
//! - Records carry a checksum over key and bytes, and none is longer than what
//!   sled keeps in its log: larger bodies are cut into pieces. Everything that
//!   belongs to an order is in one page ([`layout`]); the [`index`] knows where
//!   each page is.

mod claiming;
mod committer;
mod committing;
mod group;
mod index;
mod inspect;
mod keys;
mod layout;
mod lists;
mod log;
mod note;
mod opening;
mod progress;
mod reading;
mod recent_pages;
mod start;
mod versions;
mod watchdog;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, mpsc};

use tokio::sync::{Semaphore, watch};

use self::committer::Job;
use self::index::Index;
pub use self::inspect::{Inspection, Kinds, accept_loss, inspect};
pub use self::opening::{OpenError, open_seconds_max};
use self::progress::Progress;
use self::recent_pages::RecentPages;
use self::watchdog::ThreadProgress;
use crate::leases::Leases;
use crate::under_way::UnderWay;
use crate::workers::Workers;
use tillgate_kernel::time::SteadyClock;

/// sled's unit of space, in bytes. Nodes up to a quarter of it stay in the log;
/// larger ones become files that sled never syncs and leaks.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// A store in a directory.
pub struct Sled {
    /// Decides when messages are due and when leases end.
    clock: SteadyClock,
    tree: sled::Tree,
    index: Arc<Index>,
    recent: Arc<RecentPages>,
    jobs: mpsc::Sender<Job>,
    /// Limits the batches that wait for the committer.
    waiting: Semaphore,
    pub(crate) under_way: UnderWay,
    progress: watch::Receiver<Progress>,
    leases: Arc<Mutex<Leases>>,
    pulse: Arc<ThreadProgress>,
    /// Limits the disk reads that are under way at the same time.
    reads: Arc<Semaphore>,
    workers: Workers,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Sled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sled")
    }
}

/// Makes flushed data survive a power cut.
pub(crate) type Sync = Box<dyn FnMut() -> io::Result<()> + Send>;
