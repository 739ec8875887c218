//! Reads: on threads that may block, with a deadline, and only of durable data.

use super::layout::{StoredPage, Unpacked};
use super::opening::panic_text;
use super::progress::Progress;
use super::versions::group_of;
use super::{Sled, keys, lists};
use crate::Unavailable;
use crate::batch::{CounterKey, Stored};
use crate::page::{Page, PieceKey};
use crate::scan::{Found, Scan, page_of_lines, page_of_places};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tillgate_kernel::DocKey;
use tillgate_kernel::Partition;

/// The most reads under way at the same time. Each takes a thread, and keeps it
/// on a disk that hangs.
pub(super) const READS_AT_ONCE_MAX: usize = 128;

/// How long a read may take, including the wait for a thread. Hooks wait for
/// it.
pub(super) const READ_MAX: Duration = Duration::from_millis(2000);

/// Like [`READ_MAX`], for reads that no hook waits for: lists and claims.
pub(super) const SLOW_READ_MAX: Duration = Duration::from_secs(10);

/// How often several entries are read again because a group was written
/// meanwhile. Then the committer waits for the reader.
const READS_WITHOUT_STANDSTILL: usize = 3;

/// When a write has been under way for longer than this, other calls fail at
/// once instead of waiting behind it.
const STALL_PATIENCE: Duration = Duration::from_secs(1);

impl Sled {
    pub(crate) async fn load(
        self: &Arc<Self>,
        keys: &[DocKey],
    ) -> Result<Vec<Option<Stored>>, Unavailable> {
        self.not_stalled()?;
        // For nearly every new order the index in memory knows that there is
        // nothing: no thread is needed.
        if keys.iter().all(|key| self.index.has_surely_not(key.partition)) {
            return Ok(vec![None; keys.len()]);
        }
        if let Some(found) = self.recent_documents(keys) {
            return found;
        }
        self.load_stored(keys).await
    }

    /// Reads documents from the tree, like the lists that name them: what was
    /// written a moment ago is read too, and waited for.
    pub(crate) async fn load_stored(
        self: &Arc<Self>,
        keys: &[DocKey],
    ) -> Result<Vec<Option<Stored>>, Unavailable> {
        let keys = keys.to_vec();
        let found = self.read(READ_MAX, move |store| {
            // Keys of one partition are mostly adjacent: its page is read once.
            let mut found = Vec::with_capacity(keys.len());
            let unpacked = Unpacked::default();
            for of_one_page in keys.chunk_by(|one, next| one.partition == next.partition) {
                found.extend(store.read_and_keep(of_one_page, &unpacked)?);
            }
            Ok(found)
        });
        let found = found.await?;
        let newest = found.iter().flatten().map(|stored| group_of(stored.version)).max();
        self.durable(newest.unwrap_or(0)).await?;
        Ok(found)
    }

    /// The documents, if all are in pages that are still in memory.
    pub(super) fn recent_documents(
        &self,
        keys: &[DocKey],
    ) -> Option<Result<Vec<Option<Stored>>, Unavailable>> {
        let Progress::Durable { group } = *self.progress.borrow() else { return None };
        let mut found = Vec::with_capacity(keys.len());
        for of_one_page in keys.chunk_by(|one, next| one.partition == next.partition) {
            let page = self.recent.durable(of_one_page.first()?.partition, group)?;
            for key in of_one_page {
                if page.head(*key).is_some_and(|head| head.pieces > 0) {
                    return None; // a part of it is elsewhere
                }
                let no_piece = |_| Ok(None::<Vec<u8>>);
                match page.document(*key, &no_piece) {
                    Ok(document) => found.push(document),
                    Err(why) => return Some(Err(why)),
                }
            }
        }
        Some(Ok(found))
    }

    pub(crate) async fn scan(self: &Arc<Self>, scan: &Scan) -> Result<Found, Unavailable> {
        let scan = scan.clone();
        let scanned = self.read(SLOW_READ_MAX, move |store| {
            let found = store.scanned(&scan)?;
            // What is missing from a list does not say which group removed it:
            // it was this one or an earlier one. Without the wait, a caller who
            // does not find an entry could still read the document of before.
            let newest = keys::read_last_group(&store.tree).map_err(Unavailable::Stopped)?;
            Ok((found, newest))
        });
        let (found, newest) = scanned.await?;
        self.durable(newest).await?;
        Ok(found)
    }

    fn scanned(&self, scan: &Scan) -> Result<Found, Unavailable> {
        match *scan {
            Scan::Lists { ref lists, newest_first, ref after, limit } => {
                let after = after.as_ref();
                let lines = self.at_one_moment(lists.len() > 1, || {
                    let mut lines = Vec::new();
                    for list in lists {
                        let more = lists::listed(&self.tree, *list, newest_first, after, limit + 1);
                        lines.extend(more?);
                    }
                    Ok(lines)
                })?;
                Ok(page_of_lines(lines, newest_first, limit))
            }
            Scan::Partition { partition, kind } => Ok((
                self.with_page(partition, &Unpacked::default(), |page| {
                    Ok(page.keys_of(kind).collect())
                })?,
                None,
            )),
            Scan::Whole { partition } => Ok((
                self.with_page(partition, &Unpacked::default(), |page| Ok(page.keys().collect()))?,
                None,
            )),
            Scan::Outbox { lane, dead, ref queue, ref after, limit } => {
                let queue = queue.as_deref();
                let places =
                    lists::outbox(&self.tree, lane, dead, queue, after.as_ref(), limit + 1)?;
                Ok(page_of_places(places, limit))
            }
        }
    }

    pub(crate) async fn balances(
        self: &Arc<Self>,
        keys: &[CounterKey],
    ) -> Result<Vec<i64>, Unavailable> {
        let keys = keys.to_vec();
        let read = self.read(READ_MAX, move |store| {
            let values = keys.iter().map(|key| keys::read_counter_of(&store.tree, key));
            let values: Vec<i64> = values.collect::<Result<_, _>>()?;
            // Counters do not say which group wrote them: it was this one or an
            // earlier one.
            let newest = keys::read_last_group(&store.tree).map_err(Unavailable::Stopped)?;
            Ok((values, newest))
        });
        let (values, newest) = read.await?;
        self.durable(newest).await?;
        Ok(values)
    }

    pub(crate) async fn counters(
        self: &Arc<Self>,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(CounterKey, i64)>, Unavailable> {
        let (group, after) = (group.to_owned(), after.map(str::to_owned));
        self.read(SLOW_READ_MAX, move |store| {
            keys::counters(&store.tree, &group, after.as_deref(), limit)
        })
        .await
    }

    pub(crate) async fn counter_groups(self: &Arc<Self>) -> Result<Vec<String>, Unavailable> {
        self.read(SLOW_READ_MAX, |store| keys::counter_groups(&store.tree)).await
    }

    pub(crate) async fn partitions(
        self: &Arc<Self>,
        after: Option<Partition>,
        limit: usize,
    ) -> Result<Vec<Partition>, Unavailable> {
        self.read(SLOW_READ_MAX, move |store| store.index.partitions(after, limit)).await
    }

    /// Reads documents of one partition.
    pub(super) fn read_all(
        &self,
        keys: &[DocKey],
        unpacked: &Unpacked,
    ) -> Result<Vec<Option<Stored>>, Unavailable> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        self.with_page(first.partition, unpacked, |page| {
            keys.iter()
                .map(|key| page.document(*key, &|piece| read_piece(&self.tree, piece)))
                .collect()
        })
    }

    /// The same, for keys that were not in the recent pages. Their page is from
    /// now on.
    fn read_and_keep(
        &self,
        keys: &[DocKey],
        unpacked: &Unpacked,
    ) -> Result<Vec<Option<Stored>>, Unavailable> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        let since = self.recent.moment();
        let (found, page) = self.with_page(first.partition, unpacked, |page| {
            let document =
                |key: &DocKey| page.document(*key, &|piece| read_piece(&self.tree, piece));
            let found = keys.iter().map(document).collect::<Result<Vec<_>, _>>()?;
            Ok((found, page.clone()))
        })?;
        // Read after the page: what it has is durable with this group.
        let group = keys::read_last_group(&self.tree).map_err(Unavailable::Stopped)?;
        self.recent.add_read(page, since, group);
        Ok(found)
    }

    /// Reads a partition's page.
    ///
    /// The page's location, the page, and the pieces of long bodies are several
    /// entries, and a commit may happen between reading them. A mismatch is
    /// therefore not always damage: the page is read again while no page moves.
    pub(super) fn with_page<T>(
        &self,
        partition: Partition,
        unpacked: &Unpacked,
        look: impl Fn(&Page) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        let read = || {
            let get = |raw: &[u8]| self.tree.get(raw);
            let kept = StoredPage::read(partition, &self.index, unpacked, &get)?;
            look(&kept.page)
        };
        match read() {
            Err(Unavailable::Damaged { .. }) => {
                let _still = self.index.standing_still();
                unpacked.clear();
                read()
            }
            outcome => outcome,
        }
    }

    /// Reads several entries as they were at one moment, if that `matters`: a
    /// document that moves from one list to another is found in one of them.
    fn at_one_moment<T>(
        &self,
        matters: bool,
        read: impl Fn() -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        if !matters {
            return read();
        }
        let group = || keys::read_last_group(&self.tree).map_err(Unavailable::Stopped);
        for _ in 0..READS_WITHOUT_STANDSTILL {
            let before = group()?;
            let found = read()?;
            if group()? == before {
                return Ok(found);
            }
        }
        let _still = self.index.standing_still();
        read()
    }

    /// Runs a read of sled on a thread that may block: a disk that hangs must
    /// not block the runtime. Damaged pages make sled panic; the panic becomes
    /// an error.
    pub(super) async fn read<T: Send + 'static>(
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

    /// Fails at once while a write has been under way for longer than
    /// [`STALL_PATIENCE`].
    pub(super) fn not_stalled(&self) -> Result<(), Unavailable> {
        match self.pulse.stalled(STALL_PATIENCE) {
            Some(what) => Err(Unavailable::Stalled { what }),
            None => Ok(()),
        }
    }
}

pub(super) fn read_piece(
    tree: &sled::Tree,
    piece: PieceKey,
) -> Result<Option<sled::IVec>, Unavailable> {
    let damaged = |why: sled::Error| Unavailable::Damaged {
        record: piece.doc.to_string(),
        why: why.to_string(),
    };
    tree.get(keys::piece(piece)).map_err(damaged)
}
