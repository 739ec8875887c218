//! The embedded engine: one process, one directory, nothing to install.
//!
//! sled keeps a crash-safe log and a tree, but it is durable only where we make it so
//! (docs/adr/0004-sled-made-durable.md):
//!
//! - One thread, the [`committer`], makes every change. It takes all batches that wait and writes them as one
//!   atomic sled batch. Another, the [`syncer`], flushes and then calls `sync_data` on sled's file, because
//!   sled's own flush ends in `sync_file_range`, which a power cut can undo. Only then does anyone hear
//!   "committed".
//! - What is read is durable too: a record bears the number of the group that wrote it, and a reader who
//!   meets a group still on its way to the disk waits for it.
//! - A failed flush or sync is final: the disk may have kept the old bytes although a second attempt would
//!   say OK. The engine stops and the process ends; recovery reads what the disk really has.
//! - So is a write that does not end: a [`watchdog`] ends the process, since sled can lock itself up.
//! - How far the disk has come is noted in a file of our own, the [`note`]: a store that opens with less is broken.
//! - What a disk that hangs could hold up runs on threads of its own, with a deadline.
//! - Records carry a checksum over key and bytes, and none is longer than sled keeps in its log: larger
//!   bodies are cut in pieces. Everything of an order lies in one page ([`layout`]);
//!   where that is, the [`index`] knows.

mod claiming;
mod committer;
mod committing;
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
mod start;
mod syncer;
mod versions;
mod watchdog;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc, watch};

use self::committer::Job;
use self::index::Index;
pub use self::inspect::{Inspection, Kinds, accept_loss, inspect};
pub use self::opening::{OpenError, open_seconds_max};
use self::progress::Progress;
use self::watchdog::Pulse;
use crate::leases::Leases;
use tillgate_kernel::time::SteadyClock;

/// How much memory sled's cache may take unless the configuration says otherwise, in bytes.
pub const CACHE_BYTES_DEFAULT: u64 = 128 * 1024 * 1024;

/// Sled's unit of space. Nodes up to a quarter of it stay in the log; larger ones become files that sled
/// never syncs and leaks.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// The store in a directory.
pub struct Sled {
    /// By which messages are due and leases end.
    clock: SteadyClock,
    tree: sled::Tree,
    index: Arc<Index>,
    jobs: mpsc::Sender<Job>,
    progress: watch::Receiver<Progress>,
    leases: Arc<Mutex<Leases>>,
    pulse: Arc<Pulse>,
    /// Reads of the disk that may be under way.
    reads: Arc<Semaphore>,
    outbox_bell: watch::Sender<u64>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Sled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sled")
    }
}

/// Makes what was flushed survive a power cut.
pub(crate) type Sync = Box<dyn FnMut() -> io::Result<()> + Send>;
