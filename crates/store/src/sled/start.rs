//! The engine begins: its files, what recovery has found, and its threads.

use super::committer::Committer;
use super::index::Index;
use super::note::{Misfit, Note};
use super::opening::{OpenError, open_seconds_max};
use super::opening::{discard_creation, is_new, make_creation_durable, open_guarded, panic_text};
use super::progress::Progress;
use super::reading::READS_AT_ONCE_MAX;
use super::syncer::Syncer;
use super::watchdog::{Pulse, STALL_SECONDS_MAX};
use super::{Sled, Sync, keys, watchdog};
use crate::leases::Leases;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tillgate_kernel::Clock;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Batches that may wait for the committer. When it is full, committing waits for a place.
const WAITING_BATCHES_MAX: usize = 4096;

/// Groups that are written and not yet durable: one at the disk and one behind it. More would only make those
/// in them wait.
const WRITTEN_GROUPS_MAX: usize = 1;

/// How a store is opened.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How much memory sled's cache may take, in bytes.
    pub cache_bytes: u64,
    /// The clock that the store's own goes on from.
    pub clock: Clock,
}

/// What happens when a write hangs.
pub(super) struct Watch<E> {
    /// For how long it may.
    pub stall_max: Duration,
    /// How the process is ended then.
    pub end: E,
}

impl Sled {
    /// Opens the store in `path`, or creates it there. Recovery reads the disk: on a thread of its own, with a deadline.
    pub async fn open_in_time(path: &Path, cache_bytes: u64, clock: &Clock) -> Result<Sled, OpenError> {
        let not_accessible = |why| OpenError::NotAccessible { path: path.to_owned(), why };
        let seconds = open_seconds_max(path);
        let (tell, told) = oneshot::channel();
        let (runtime, place) = (tokio::runtime::Handle::current(), path.to_owned());
        let clock = clock.clone();
        let opening = move || {
            let _in_runtime = runtime.enter();
            let _ = tell.send(Sled::open(&place, cache_bytes, clock)); // whoever gave up does not want it any more
        };
        std::thread::Builder::new().name("opening".into()).spawn(opening).map_err(not_accessible)?;
        match tokio::time::timeout(Duration::from_secs(seconds), told).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(_)) => {
                Err(OpenError::Broken { path: path.to_owned(), why: "opening it broke off".into() })
            }
            Err(_) => Err(OpenError::Hangs { path: path.to_owned(), seconds }),
        }
    }

    /// Opens the store in `path`, or creates it there. Messages are due by a clock that goes on from `clock`.
    pub fn open(path: &Path, cache_bytes: u64, clock: Clock) -> Result<Sled, OpenError> {
        Sled::open_with(path, Options { cache_bytes, clock }, |file| Box::new(move || file.sync_data()))
    }

    /// Opens the store with another way to sync its file: tests make it fail.
    pub(crate) fn open_with(
        path: &Path,
        options: Options,
        sync: impl FnOnce(File) -> Sync,
    ) -> Result<Sled, OpenError> {
        let stall_max = Duration::from_secs(STALL_SECONDS_MAX);
        Sled::open_watched(path, options, sync, Watch { stall_max, end: watchdog::end_process })
    }

    /// Opens the store with besides another patience, and another end of it.
    pub(super) fn open_watched(
        path: &Path,
        options: Options,
        sync: impl FnOnce(File) -> Sync,
        watch: Watch<impl FnOnce() + Send + 'static>,
    ) -> Result<Sled, OpenError> {
        let is_new = is_new(path);
        let opened = Sled::open_or_create(path, options, sync, watch);
        if is_new && matches!(opened, Err(OpenError::NotAccessible { .. } | OpenError::Broken { .. })) {
            // Half a store is none, and nothing was acknowledged by it: the next start begins again.
            discard_creation(path);
        }
        opened
    }

    fn open_or_create(
        path: &Path,
        options: Options,
        sync: impl FnOnce(File) -> Sync,
        watch: Watch<impl FnOnce() + Send + 'static>,
    ) -> Result<Sled, OpenError> {
        let Options { cache_bytes, clock } = options;
        let not_accessible = |why| OpenError::NotAccessible { path: path.to_owned(), why };
        let is_created = !path.join("db").exists();
        fs::create_dir_all(path).map_err(not_accessible)?;
        let db = open_guarded(path, cache_bytes)?;
        if is_created {
            make_creation_durable(path).map_err(not_accessible)?;
        }
        let file = File::options().read(true).write(true).open(path.join("db")).map_err(not_accessible)?;

        let broken = |why: String| OpenError::Broken { path: path.to_owned(), why };
        let tree = (*db).clone();
        let last_group = keys::read_last_group(&tree).map_err(broken)?;
        let note = Note::open(path, last_group, clock).map_err(|misfit| match misfit {
            Misfit::Io(why) => not_accessible(why),
            Misfit::Broken(why) => OpenError::Lacks { path: path.to_owned(), why },
        })?;
        let clock = note.clock().clone();
        let opened = catch_unwind(AssertUnwindSafe(|| Index::open(&tree)));
        let (index, upkeep) = opened.unwrap_or_else(|panic| Err(panic_text(&*panic))).map_err(broken)?;
        let (jobs, queue) = mpsc::channel(WAITING_BATCHES_MAX);
        let (progress_sender, progress) = watch::channel(Progress::Durable { group: last_group });
        let leases = Arc::new(Mutex::new(Leases::default()));
        let outbox_bell = watch::Sender::new(0);
        let (written, groups) = std::sync::mpsc::sync_channel(WRITTEN_GROUPS_MAX);
        let pulse = Pulse::new();
        let syncer = Syncer {
            db: db.clone(),
            pulse: Arc::clone(&pulse),
            sync: sync(file),
            note,
            progress: progress_sender.clone(),
            outbox_bell: outbox_bell.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let syncer = thread("syncer").spawn(move || syncer.run(&groups)).map_err(not_accessible)?;
        let (watched, told) = (Arc::downgrade(&pulse), progress_sender.clone());
        thread("watchdog")
            .spawn(move || watchdog::run(&watched, &told, watch.stall_max, watch.end))
            .map_err(not_accessible)?;
        let committer = Committer {
            db,
            pulse: Arc::clone(&pulse),
            tree: tree.clone(),
            last_group,
            index: Arc::clone(&index),
            upkeep,
            progress: progress_sender,
            leases: Arc::clone(&leases),
            written,
            syncer,
        };
        let thread = thread("committer").spawn(move || committer.run(queue)).map_err(not_accessible)?;
        let reads = Arc::new(Semaphore::new(READS_AT_ONCE_MAX));
        let thread = Mutex::new(Some(thread));
        Ok(Sled { clock, tree, index, jobs, progress, leases, pulse, reads, outbox_bell, thread })
    }
}
