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

mod committer;
mod index;
mod inspect;
mod keys;
mod layout;
mod lists;
mod log;
mod note;
mod opening;
mod syncer;
mod watchdog;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use self::committer::{Committer, Job, Progress};
use self::index::Index;
pub use self::inspect::{Inspection, Kinds, accept_loss, inspect};
use self::layout::Kept;
use self::note::{Misfit, Note};
pub use self::opening::{OpenError, open_seconds_max};
use self::opening::{advice, discard_creation, is_new, make_creation_durable, open_guarded, panic_text};
use self::syncer::Syncer;
use self::watchdog::{Pulse, STALL_SECONDS_MAX};
use super::batch::{Batch, CounterKey, Stored};
use super::page::{Page, PieceKey};
use super::scan::{Cursor, Found, Scan};
use super::{CommitError, Unavailable};
use crate::kernel::DocKey;
use crate::kernel::time::SteadyClock;
use crate::kernel::{Clock, Partition, Timestamp};
use crate::outbox::message_key;
use crate::outbox::{Claim, Claimed, Leases};
use crate::store::scan::page_of_places;

/// How much memory sled's cache may take unless the configuration says otherwise, in bytes.
pub const CACHE_BYTES_DEFAULT: u64 = 128 * 1024 * 1024;

/// Sled's unit of space. Nodes up to a quarter of it stay in the log; larger ones become files that sled
/// never syncs and leaks.
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// Batches that may wait for the committer. When it is full, committing waits for a place.
const WAITING_BATCHES_MAX: usize = 4096;

/// Groups that are written and not yet durable: one at the disk and one behind it. More would only make those
/// in them wait.
const WRITTEN_GROUPS_MAX: usize = 1;

/// Reads that may be under way at the same moment. Each takes a thread, and on a disk that hangs keeps it.
const READS_AT_ONCE_MAX: usize = 128;

/// How long a read may take, with the wait for a thread: hooks wait for it.
const READ_MAX: Duration = Duration::from_millis(2000);

/// The same for what no hook waits for: lists and claims.
const SLOW_READ_MAX: Duration = Duration::from_secs(10);

/// How long anybody waits for something to be durable. The watchdog waits longer: a disk may only be slow.
const DURABLE_MAX: Duration = Duration::from_secs(5);

/// How long a probe may take.
const PROBE_MAX: Duration = Duration::from_millis(2000);

/// For how long a write may stand before others are told at once that the store cannot be used, instead of waiting behind it.
const STALL_PATIENCE: Duration = Duration::from_secs(1);

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
        Sled::open_with(path, (cache_bytes, clock), |file| Box::new(move || file.sync_data()))
    }

    /// Opens the store with another way to sync its file: tests make it fail.
    pub(crate) fn open_with(
        path: &Path,
        cache_and_clock: (u64, Clock),
        sync: impl FnOnce(File) -> Sync,
    ) -> Result<Sled, OpenError> {
        let stall_max = Duration::from_secs(STALL_SECONDS_MAX);
        Sled::open_watched(path, cache_and_clock, sync, (stall_max, watchdog::end_process))
    }

    /// Opens the store with besides another patience, and another end of it.
    fn open_watched(
        path: &Path,
        cache_and_clock: (u64, Clock),
        sync: impl FnOnce(File) -> Sync,
        watched: (Duration, impl FnOnce() + Send + 'static),
    ) -> Result<Sled, OpenError> {
        let is_new = is_new(path);
        let opened = Sled::open_or_create(path, cache_and_clock, sync, watched);
        if is_new && matches!(opened, Err(OpenError::NotAccessible { .. } | OpenError::Broken { .. })) {
            // Half a store is none, and nothing was acknowledged by it: the next start begins again.
            discard_creation(path);
        }
        opened
    }

    fn open_or_create(
        path: &Path,
        (cache_bytes, clock): (u64, Clock),
        sync: impl FnOnce(File) -> Sync,
        (stall_max, end): (Duration, impl FnOnce() + Send + 'static),
    ) -> Result<Sled, OpenError> {
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
            .spawn(move || watchdog::run(&watched, &told, stall_max, end))
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

    pub(super) async fn load(self: &Arc<Self>, keys: &[DocKey]) -> Result<Vec<Option<Stored>>, Unavailable> {
        self.not_stalled()?;
        // Of nearly every new order memory knows that there is nothing: no thread need look.
        if keys.iter().all(|key| self.index.has_surely_not(key.partition)) {
            return Ok(vec![None; keys.len()]);
        }
        let keys = keys.to_vec();
        let found = self.read(READ_MAX, move |store| {
            // Keys of one partition mostly come together: its page is read once.
            let mut found = Vec::with_capacity(keys.len());
            for of_one_page in keys.chunk_by(|one, next| one.partition == next.partition) {
                found.extend(store.read_all(of_one_page)?);
            }
            Ok(found)
        });
        let found = found.await?;
        let newest = found.iter().flatten().map(|stored| group_of(stored.version)).max();
        self.durable(newest.unwrap_or(0)).await?;
        Ok(found)
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.not_stalled()?;
        let (answer, answered) = oneshot::channel();
        let batch = batch.stamped(self.clock.now());
        if self.jobs.send(Job::Commit { batch, answer }).await.is_err() {
            return Err(self.why_stopped().into());
        }
        match tokio::time::timeout(DURABLE_MAX, answered).await {
            Ok(Ok(outcome)) => outcome,
            // The committer is at its end and is about to say why.
            Ok(Err(_)) => Err(Unavailable::Stopped(self.stopped().await).into()),
            // Whether it will be durable is not known.
            Err(_) => Err(Unavailable::Stalled { what: "a write" }.into()),
        }
    }

    pub(super) async fn claim(self: &Arc<Self>, claim: &Claim) -> Result<Vec<Claimed>, Unavailable> {
        let claim = claim.clone();
        let (tell, mut told) = oneshot::channel();
        let read = self
            .read(SLOW_READ_MAX, move |store| {
                let newest = Cell::new(0);
                let mut leases = store.leases.lock().unwrap_or_else(PoisonError::into_inner);
                let walk = RefCell::new(lists::Walk::new(&store.tree));
                let claimed = leases.claim(
                    &claim,
                    store.clock.now(),
                    |after| walk.borrow_mut().next(after),
                    |id| {
                        let Some(stored) = store.read_all(&[message_key(id)])?.pop().flatten() else {
                            return Ok(None);
                        };
                        newest.set(newest.get().max(group_of(stored.version)));
                        Ok(Some(stored.document()?))
                    },
                )?;
                drop(leases);
                if let Err((unheard, _)) = tell.send((claimed, newest.get())) {
                    store.give_back(&unheard);
                }
                Ok(())
            })
            .await;
        let Ok((claimed, newest)) = told.try_recv() else {
            // Nobody works on what is claimed after this: `told` is gone then.
            return read.map(|()| Vec::new());
        };
        // Nothing is told to anyone before it is durable.
        match read.and(self.durable(newest).await) {
            Ok(()) => Ok(claimed),
            Err(why) => {
                self.give_back(&claimed);
                Err(why)
            }
        }
    }

    /// Ends leases under which nobody works.
    fn give_back(&self, claimed: &[Claimed]) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        for Claimed { ticket, .. } in claimed {
            if leases.holds(*ticket) {
                leases.release(*ticket);
            }
        }
    }

    pub(super) async fn scan(self: &Arc<Self>, scan: &Scan) -> Result<Found, Unavailable> {
        let scan = scan.clone();
        let scanned = self.read(SLOW_READ_MAX, move |store| match scan {
            Scan::Listed { kind, newest_first, ref after, limit } => {
                let mut keys = lists::listed(&store.tree, kind, newest_first, after.as_ref(), limit + 1)?;
                let more = keys.len() > limit;
                keys.truncate(limit);
                let next = keys.last().filter(|_| more).map(|&(listed_at, key)| Cursor::at(listed_at, key));
                Ok((keys.into_iter().map(|(_, key)| key).collect(), next))
            }
            Scan::Partition { partition, kind } => {
                Ok((store.with_page(partition, |page| Ok(page.keys_of(kind).collect()))?, None))
            }
            Scan::Whole { partition } => {
                Ok((store.with_page(partition, |page| Ok(page.keys().collect()))?, None))
            }
            Scan::Outbox { lane, dead, ref queue, ref after, limit } => {
                let queue = queue.as_deref();
                let places = lists::outbox(&store.tree, lane, dead, queue, after.as_ref(), limit + 1)?;
                Ok(page_of_places(places, limit))
            }
        });
        scanned.await
    }

    pub(super) async fn counters(
        self: &Arc<Self>,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(CounterKey, i64)>, Unavailable> {
        let (group, after) = (group.to_owned(), after.map(str::to_owned));
        self.read(SLOW_READ_MAX, move |store| keys::counters(&store.tree, &group, after.as_deref(), limit))
            .await
    }

    pub(super) async fn counter_groups(self: &Arc<Self>) -> Result<Vec<String>, Unavailable> {
        self.read(SLOW_READ_MAX, |store| keys::counter_groups(&store.tree)).await
    }

    pub(super) async fn partitions(
        self: &Arc<Self>,
        after: Option<Partition>,
        limit: usize,
    ) -> Result<Vec<Partition>, Unavailable> {
        self.read(SLOW_READ_MAX, move |store| store.index.partitions(after, limit)).await
    }

    pub(super) fn outbox_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn outbox_bell(&self) -> watch::Receiver<u64> {
        self.outbox_bell.subscribe()
    }

    pub(super) async fn stopped(&self) -> String {
        let mut progress = self.progress.clone();
        let stopped = progress.wait_for(|progress| matches!(progress, Progress::Stopped { .. })).await;
        match stopped.as_deref() {
            Ok(Progress::Stopped { why }) => why.clone(),
            Ok(Progress::Durable { .. }) | Err(_) => "it has been closed".into(),
        }
    }

    /// Commits something small, and reads something.
    pub(super) async fn probe(self: &Arc<Self>) -> Result<(), Unavailable> {
        self.not_stalled()?;
        let (answer, answered) = oneshot::channel();
        if self.jobs.send(Job::Probe { answer }).await.is_err() {
            return Err(self.why_stopped());
        }
        match tokio::time::timeout(PROBE_MAX, answered).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(CommitError::Unavailable(why)))) => return Err(why),
            Ok(Ok(Err(CommitError::Conflict | CommitError::LostLease)) | Err(_)) => {
                return Err(Unavailable::Stopped(self.stopped().await));
            }
            Err(_) => return Err(Unavailable::Stalled { what: "a write" }),
        }
        self.read(READ_MAX, |store| {
            keys::read_last_group(&store.tree).map(drop).map_err(Unavailable::Stopped)
        })
        .await
    }

    pub(super) async fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let (done, is_done) = oneshot::channel();
            if self.jobs.send(Job::Close { done }).await.is_ok() {
                let _ = is_done.await;
            }
            drop(thread);
        }
    }

    /// Waits until group `group` is durable.
    async fn durable(&self, group: u64) -> Result<(), Unavailable> {
        let is_settled = |progress: &Progress| match progress {
            Progress::Durable { group: durable } => *durable >= group,
            Progress::Stopped { .. } => true,
        };
        if !is_settled(&self.progress.borrow()) {
            let mut progress = self.progress.clone();
            let waiting = progress.wait_for(is_settled);
            if tokio::time::timeout(DURABLE_MAX, waiting).await.is_err() {
                return Err(Unavailable::Stalled { what: "a flush or sync of the disk" });
            }
        }
        match &*self.progress.borrow() {
            Progress::Durable { group: durable } if *durable >= group => Ok(()),
            Progress::Durable { .. } => Err(Unavailable::Stopped("it has been closed".into())),
            Progress::Stopped { why } => Err(Unavailable::Stopped(why.clone())),
        }
    }

    fn why_stopped(&self) -> Unavailable {
        Unavailable::Stopped(match &*self.progress.borrow() {
            Progress::Stopped { why } => why.clone(),
            Progress::Durable { .. } => "it has been closed".into(),
        })
    }

    /// Reads documents of one partition.
    fn read_all(&self, keys: &[DocKey]) -> Result<Vec<Option<Stored>>, Unavailable> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        self.with_page(first.partition, |page| {
            keys.iter().map(|key| page.document(*key, &|piece| read_piece(&self.tree, piece))).collect()
        })
    }

    /// Looks at a partition's page.
    ///
    /// Where it lies, the page, and the pieces of long bodies are several entries, and a commit may fall between reading
    /// them. What does not fit together then may be no damage: it is read again while nothing moves.
    fn with_page<T>(
        &self,
        partition: Partition,
        look: impl Fn(&Page) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        let read = || {
            let kept = Kept::read(partition, &self.index, &|raw: &[u8]| self.tree.get(raw))?;
            look(&kept.page)
        };
        match read() {
            Err(Unavailable::Damaged { .. }) => {
                let _still = self.index.standing_still();
                read()
            }
            outcome => outcome,
        }
    }

    /// Runs a read of sled on a thread that may block: a disk that hangs must not hang the process. Damaged pages make sled
    /// panic; that becomes an error that says so.
    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        patience: Duration,
        read: impl FnOnce(&Sled) -> Result<T, Unavailable> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.not_stalled()?;
        let stalled = |_| Unavailable::Stalled { what: "a read" };
        let store = Arc::clone(self);
        let reading = async {
            let place = Arc::clone(&self.reads).acquire_owned().await;
            let reading = tokio::task::spawn_blocking(move || {
                let _place = place;
                catch_unwind(AssertUnwindSafe(|| read(&store)))
            });
            reading.await.map_err(|why| Unavailable::Stopped(why.to_string()))
        };
        let read = tokio::time::timeout(patience, reading).await.map_err(stalled)??;
        read.unwrap_or_else(|panic| {
            Err(Unavailable::Damaged { record: "a page of sled".into(), why: panic_text(&*panic) })
        })
    }

    /// An error at once while the disk has not finished a write for longer than anybody should wait behind it.
    fn not_stalled(&self) -> Result<(), Unavailable> {
        match self.pulse.stalled(STALL_PATIENCE) {
            Some(what) => Err(Unavailable::Stalled { what }),
            None => Ok(()),
        }
    }
}

/// What failed, for whoever must mend it.
fn failed(what: &str, why: &io::Error) -> String {
    format!("{what} failed: {why}. {}", advice(why, "Check the disk (dmesg)"))
}

fn failed_in_sled(what: &str, why: &sled::Error) -> String {
    if let sled::Error::Io(why) = why { failed(what, why) } else { format!("{what} failed: {why}") }
}

fn read_piece(tree: &sled::Tree, piece: PieceKey) -> Result<Option<sled::IVec>, Unavailable> {
    let damaged =
        |why: sled::Error| Unavailable::Damaged { record: piece.0.to_string(), why: why.to_string() };
    tree.get(keys::piece(piece)).map_err(damaged)
}

/// How many bits of a version number the place in its group takes.
const PLACE_BITS: u32 = 16;

/// The version of documents written by the batch in `place` of `group`: never the same twice.
fn version(group: u64, place: usize) -> u64 {
    group << PLACE_BITS | (place as u64 & ((1 << PLACE_BITS) - 1))
}

/// The group that wrote a version.
fn group_of(version: u64) -> u64 {
    version >> PLACE_BITS
}
