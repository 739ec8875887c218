//! The pages of recent commits and reads, in memory.
//!
//! Hooks about one order often come within minutes. A read of sled needs a
//! thread of its own, because the disk can block it, and unpacks a bundle of
//! pages. A page that is here needs neither. The committer adds a page when it
//! is durable and before its callers are answered, so a caller always reads
//! what it has written. A reader may get a page that is just being replaced,
//! like any reader that comes a moment earlier: versions are checked when it
//! commits.
//!
//! A page that was read from sled is kept too, unless a commit may have
//! replaced it meanwhile: the committer builds on what is here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tillgate_kernel::Partition;

use crate::page::Page;

/// The memory that the pages may take, in bytes.
const BYTES_MAX: usize = 6 * 1024 * 1024;

/// The longest page that is kept, in bytes. A longer one could be cut into
/// chunks in the tree.
const PAGE_BYTES_MAX: usize = 24 * 1024;

/// What a page takes in addition to its content, in bytes, roughly: a node of
/// its tree of slots, and the lists and the buffer of each slot.
const BYTES_OF_EACH: usize = 2 * 1024;

#[derive(Default)]
pub struct RecentPages(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    pages: HashMap<Partition, KeptPage>,
    /// The partitions in the order in which their pages were added. A page that
    /// was added again has a later turn than its first entry.
    order: VecDeque<(Partition, u64)>,
    turn: u64,
    /// The latest turn of the pages that are not here any more, or that were
    /// too long.
    dropped_turn: u64,
    bytes: usize,
}

/// The moment when a read began.
#[derive(Debug, Clone, Copy)]
pub struct Moment(u64);

struct KeptPage {
    page: Arc<Page>,
    bytes: usize,
    turn: u64,
    /// The group with which it is durable at the latest.
    group: u64,
}

impl RecentPages {
    /// The page of the last commit. Only the committer knows that it is.
    pub fn get(&self, partition: Partition) -> Option<Arc<Page>> {
        self.durable(partition, u64::MAX)
    }

    /// A page that is durable with this group.
    pub fn durable(&self, partition: Partition, group: u64) -> Option<Arc<Page>> {
        let kept = self.kept();
        let page = kept.pages.get(&partition).filter(|kept| kept.group <= group)?;
        Some(Arc::clone(&page.page))
    }

    /// The moment before a read, for [`RecentPages::add_read`].
    pub fn moment(&self) -> Moment {
        Moment(self.kept().turn)
    }

    /// Adds a page that was read from sled after this moment, when `group` was
    /// the last one that was written. Does nothing if a commit may have
    /// replaced it since.
    pub fn add_read(&self, page: Page, since: Moment, group: u64) {
        let mut kept = self.kept();
        let partition = page.partition();
        let is_replaced = kept.pages.contains_key(&partition) || kept.dropped_turn > since.0;
        if is_replaced || is_not_kept(&page) {
            return;
        }
        kept.replace(partition, page, group);
        kept.evict(BYTES_MAX);
    }

    /// Replaces pages by what a group has written durably.
    pub fn replace(&self, pages: impl Iterator<Item = (Partition, Page)>) {
        let mut kept = self.kept();
        pages.for_each(|(partition, page)| kept.replace(partition, page, 0));
        kept.evict(BYTES_MAX);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_not_kept(page: &Page) -> bool {
    page.is_empty() || page.content_bytes() > PAGE_BYTES_MAX
}

impl Kept {
    fn replace(&mut self, partition: Partition, page: Page, group: u64) {
        self.turn += 1;
        if let Some(was) = self.pages.remove(&partition) {
            self.bytes -= was.bytes;
        }
        if is_not_kept(&page) {
            self.dropped_turn = self.turn;
            return;
        }
        let bytes = page.content_bytes() + BYTES_OF_EACH;
        self.bytes += bytes;
        self.order.push_back((partition, self.turn));
        self.pages
            .insert(partition, KeptPage { page: Arc::new(page), bytes, turn: self.turn, group });
    }

    /// Removes the oldest pages until the rest takes at most `bytes_max`.
    fn evict(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max
            && let Some((partition, turn)) = self.order.pop_front()
        {
            if self.pages.get(&partition).is_some_and(|kept| kept.turn == turn)
                && let Some(was) = self.pages.remove(&partition)
            {
                self.bytes -= was.bytes;
                self.dropped_turn = self.dropped_turn.max(turn);
            }
        }
        // An order with many changes has many entries.
        if self.order.len() > 2 * self.pages.len() + 16 {
            let pages = &self.pages;
            self.order.retain(|(partition, turn)| {
                pages.get(partition).is_some_and(|kept| kept.turn == *turn)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use tillgate_kernel::{DocKey, Kind, Timestamp};

    use super::*;
    use crate::batch::Body;

    fn body(length: usize) -> Body {
        let bytes = vec![7; length];
        Body { schema: 1, listed_at: Timestamp::UNIX_EPOCH, lists: Vec::new(), bytes }
    }

    fn page(partition: Partition, version: u64, length: usize) -> Page {
        let mut page = Page::empty(partition);
        let key = DocKey { partition, kind: Kind::new(1, "documents"), id: 1 };
        let body = body(length);
        page.write(key, version, Some(body), &mut Vec::new());
        page
    }

    /// A page that is not kept.
    fn long_page(partition: Partition, version: u64) -> Page {
        let mut long = page(partition, version, 16_000);
        for id in 2..5 {
            let key = DocKey { partition, kind: Kind::new(1, "documents"), id };
            long.write(key, version, Some(body(9_000)), &mut Vec::new());
        }
        long
    }

    fn version(recent: &RecentPages, partition: Partition) -> Option<u64> {
        let key = recent.get(partition)?.keys().next()?;
        recent.get(partition)?.head(key).map(|head| head.version)
    }

    #[test]
    fn the_latest_page_of_a_partition_is_kept_until_newer_ones_need_its_room() {
        let (recent, one) = (RecentPages::default(), Partition::from_u64(1));
        assert!(recent.get(one).is_none());
        for turn in 1..100 {
            recent.replace([(one, page(one, turn, 100))].into_iter());
            assert_eq!(version(&recent, one), Some(turn));
        }
        assert!(recent.kept().order.len() < 20);
        let pages = (2..5000).map(Partition::from_u64).map(|other| (other, page(other, 7, 4000)));
        recent.replace(pages);
        assert!(recent.get(one).is_none());
        assert_eq!(version(&recent, Partition::from_u64(4999)), Some(7));
        let kept = recent.kept();
        assert_eq!(kept.bytes, kept.pages.values().map(|kept| kept.bytes).sum::<usize>());
        assert!(kept.bytes <= BYTES_MAX && kept.bytes > BYTES_MAX / 2);
    }

    #[test]
    fn a_page_that_is_removed_or_too_long_is_not_kept() {
        let (recent, one) = (RecentPages::default(), Partition::from_u64(1));
        recent.replace([(one, page(one, 1, 100))].into_iter());
        recent.replace([(one, Page::empty(one))].into_iter());
        assert!(recent.get(one).is_none());
        recent.replace([(one, page(one, 2, 100))].into_iter());
        recent.replace([(one, long_page(one, 3))].into_iter());
        assert!(recent.get(one).is_none());
    }

    #[test]
    fn a_page_that_was_read_is_kept_unless_a_commit_may_have_replaced_it() {
        let (recent, one) = (RecentPages::default(), Partition::from_u64(1));
        let commit = |page| recent.replace([(one, page)].into_iter());
        let read = |version, since| recent.add_read(page(one, version, 100), since, 9);
        // Nothing happens meanwhile.
        read(1, recent.moment());
        assert_eq!(version(&recent, one), Some(1));
        assert!(recent.durable(one, 8).is_none(), "it may have been read before it was durable");
        assert!(recent.durable(one, 9).is_some());
        // A commit replaces the page, before or after it is added.
        let since = recent.moment();
        commit(page(one, 2, 100));
        read(1, since);
        assert_eq!(version(&recent, one), Some(2));
        assert!(recent.durable(one, 0).is_some());
        // A commit replaces it, and its page is not kept.
        let since = recent.moment();
        commit(long_page(one, 3));
        read(2, since);
        assert_eq!(version(&recent, one), None);
        read(3, recent.moment());
        assert_eq!(version(&recent, one), Some(3));
        // A commit replaces it, and others need its room.
        let since = recent.moment();
        commit(page(one, 4, 100));
        let pages = (2..5000).map(Partition::from_u64).map(|other| (other, page(other, 7, 4000)));
        recent.replace(pages);
        read(3, since);
        assert_eq!(version(&recent, one), None);
    }
}
