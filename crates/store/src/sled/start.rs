//! Starts the engine: its files, its recovered state, and its threads.

use super::committer::Committer;
use super::index::{Index, Upkeep};
use super::note::{Note, NoteError};
use super::opening::{OpenError, open_seconds_max};
use super::opening::{discard_creation, is_new, make_creation_durable, open_guarded, panic_text};
use super::progress::Progress;
use super::reading::READS_AT_ONCE_MAX;
use super::recent_pages::RecentPages;
use super::watchdog::{STALL_SECONDS_MAX, ThreadProgress};
use super::{Sled, Sync, keys, watchdog};
use crate::leases::Leases;
use crate::under_way::UnderWay;
use crate::workers::Workers;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tillgate_kernel::Clock;
use tokio::sync::{Semaphore, oneshot, watch};

/// The most batches that wait for the committer. When the queue is full,
/// callers wait for a place.
const WAITING_BATCHES_MAX: usize = 4096;

/// How a store is opened.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How much memory sled's cache may take, in bytes.
    pub cache_bytes: u64,
    /// The clock on which the store's own clock is based.
    pub clock: Clock,
}

/// What happens when a write hangs.
pub(super) struct Watch<E> {
    /// How long a write may take.
    pub stall_max: Duration,
    /// Ends the process.
    pub end: E,
}

/// What the files have of earlier runs.
struct Recovered {
    last_group: u64,
    note: Note,
    index: Arc<Index>,
    upkeep: Upkeep,
}

impl Recovered {
    fn of(path: &Path, tree: &sled::Tree, clock: Clock) -> Result<Recovered, OpenError> {
        let broken = |why: String| OpenError::Broken { path: path.to_owned(), why };
        let last_group = keys::read_last_group(tree).map_err(broken)?;
        let note = Note::open(path, last_group, clock).map_err(|misfit| match misfit {
            NoteError::Io(why) => OpenError::NotAccessible { path: path.to_owned(), why },
            NoteError::Broken(why) => OpenError::Lacks { path: path.to_owned(), why },
        })?;
        let opened = catch_unwind(AssertUnwindSafe(|| Index::open(tree)));
        let (index, upkeep) =
            opened.unwrap_or_else(|panic| Err(panic_text(&*panic))).map_err(broken)?;
        Ok(Recovered { last_group, note, index, upkeep })
    }
}

impl<E: FnOnce() + Send + 'static> Watch<E> {
    fn start(
        self,
        pulse: &Arc<ThreadProgress>,
        progress: watch::Sender<Progress>,
    ) -> std::io::Result<()> {
        let watched = Arc::downgrade(pulse);
        let watching = move || watchdog::run(&watched, &progress, self.stall_max, self.end);
        std::thread::Builder::new().name("watchdog".into()).spawn(watching).map(drop)
    }
}

impl Sled {
    /// Opens the store in `path`, or creates it there. Recovery reads the disk,
    /// so it runs on a thread of its own, with a deadline.
    pub async fn open_in_time(
        path: &Path,
        cache_bytes: u64,
        clock: &Clock,
    ) -> Result<Sled, OpenError> {
        let not_accessible = |why| OpenError::NotAccessible { path: path.to_owned(), why };
        let seconds = open_seconds_max(path);
        let (sender, receiver) = oneshot::channel();
        let (runtime, place) = (tokio::runtime::Handle::current(), path.to_owned());
        let clock = clock.clone();
        let opening = move || {
            let _in_runtime = runtime.enter();
            // A caller whose deadline has passed does not need it any more.
            let _ = sender.send(Sled::open(&place, cache_bytes, clock));
        };
        std::thread::Builder::new()
            .name("opening".into())
            .spawn(opening)
            .map_err(not_accessible)?;
        match tokio::time::timeout(Duration::from_secs(seconds), receiver).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(_)) => Err(OpenError::Broken {
                path: path.to_owned(),
                why: "the thread that opened it ended without a result".into(),
            }),
            Err(_) => Err(OpenError::Hangs { path: path.to_owned(), seconds }),
        }
    }

    /// Opens the store in `path`, or creates it there. Messages are due by a
    /// clock that is based on `clock`.
    pub fn open(path: &Path, cache_bytes: u64, clock: Clock) -> Result<Sled, OpenError> {
        Sled::open_with(path, Options { cache_bytes, clock }, |file| {
            Box::new(move || file.sync_data())
        })
    }

    /// Opens the store with another way to sync its file; tests use it to
    /// inject failures.
    pub(crate) fn open_with(
        path: &Path,
        options: Options,
        sync: impl FnOnce(File) -> Sync,
    ) -> Result<Sled, OpenError> {
        let stall_max = Duration::from_secs(STALL_SECONDS_MAX);
        Sled::open_watched(path, options, sync, Watch { stall_max, end: watchdog::end_process })
    }

    /// Like [`open_with`](Sled::open_with), with another time limit for writes
    /// and another way to end the process.
    pub(super) fn open_watched(
        path: &Path,
        options: Options,
        sync: impl FnOnce(File) -> Sync,
        watch: Watch<impl FnOnce() + Send + 'static>,
    ) -> Result<Sled, OpenError> {
        let is_new = is_new(path);
        let opened = Sled::open_or_create(path, options, sync, watch);
        if is_new
            && matches!(opened, Err(OpenError::NotAccessible { .. } | OpenError::Broken { .. }))
        {
            // A half-created store is useless, and nothing was acknowledged by
            // it: the next start creates it again.
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
        let file =
            File::options().read(true).write(true).open(path.join("db")).map_err(not_accessible)?;
        let tree = (*db).clone();
        let Recovered { last_group, note, index, upkeep } = Recovered::of(path, &tree, clock)?;
        let clock = note.clock().clone();
        let (jobs, queue) = std::sync::mpsc::channel();
        let (progress_sender, progress) = watch::channel(Progress::Durable { group: last_group });
        let leases = Arc::new(Mutex::new(Leases::default()));
        let workers = Workers::new();
        let pulse = ThreadProgress::new();
        let under_way = UnderWay::default();
        let recent = Arc::new(RecentPages::default());
        watch.start(&pulse, progress_sender.clone()).map_err(not_accessible)?;
        let committer = Committer {
            db,
            pulse: Arc::clone(&pulse),
            tree: tree.clone(),
            last_group,
            index: Arc::clone(&index),
            recent: Arc::clone(&recent),
            upkeep,
            progress: progress_sender,
            leases: Arc::clone(&leases),
            sync: sync(file),
            note,
            workers: workers.clone(),
            under_way: under_way.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let weak = Arc::downgrade(&index);
        let build = move || {
            // sled panics at a damaged page.
            let built = catch_unwind(AssertUnwindSafe(|| Index::build_filters(&weak)));
            for why in built.unwrap_or_else(|panic| vec![panic_text(&*panic)]) {
                tracing::error!(
                    error = why,
                    "a part of the store's index is damaged, so some orders may not be found; \
                     check the store (tillgate store inspect)"
                );
            }
        };
        std::thread::Builder::new().name("filters".into()).spawn(build).map_err(not_accessible)?;
        let thread = std::thread::Builder::new().name("committer".into());
        let thread = thread.spawn(move || committer.run(&queue)).map_err(not_accessible)?;
        let reads = Arc::new(Semaphore::new(READS_AT_ONCE_MAX));
        let thread = Mutex::new(Some(thread));
        Ok(Sled {
            clock,
            tree,
            index,
            recent,
            jobs,
            waiting: Semaphore::new(WAITING_BATCHES_MAX),
            under_way,
            progress,
            leases,
            pulse,
            reads,
            workers,
            thread,
        })
    }
}
