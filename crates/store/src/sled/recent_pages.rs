//! The pages of recent commits, in memory.
//!
//! Hooks about one order often come within minutes. A read of sled needs a
//! thread of its own, because the disk can block it, and unpacks a bundle of
//! pages. A page that is here needs neither. The committer adds a page when it
//! is durable and before its callers are answered, so a caller always reads
//! what it has written. A reader may get a page that is just being replaced,
//! like any reader that comes a moment earlier: versions are checked when it
//! commits.

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
    bytes: usize,
}

struct KeptPage {
    page: Arc<Page>,
    bytes: usize,
    turn: u64,
}

impl RecentPages {
    pub fn get(&self, partition: Partition) -> Option<Arc<Page>> {
        self.kept().pages.get(&partition).map(|kept| Arc::clone(&kept.page))
    }

    /// Replaces pages by what a group has written durably.
    pub fn replace(&self, pages: impl Iterator<Item = (Partition, Page)>) {
        let mut kept = self.kept();
        pages.for_each(|(partition, page)| kept.replace(partition, page));
        kept.evict(BYTES_MAX);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn replace(&mut self, partition: Partition, page: Page) {
        if let Some(was) = self.pages.remove(&partition) {
            self.bytes -= was.bytes;
        }
        if page.is_empty() || page.content_bytes() > PAGE_BYTES_MAX {
            return;
        }
        let bytes = page.content_bytes() + BYTES_OF_EACH;
        self.turn += 1;
        self.bytes += bytes;
        self.order.push_back((partition, self.turn));
        self.pages.insert(partition, KeptPage { page: Arc::new(page), bytes, turn: self.turn });
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
        let mut long = page(one, 3, 16_000);
        for id in 2..5 {
            let key = DocKey { partition: one, kind: Kind::new(1, "documents"), id };
            long.write(key, 3, Some(body(9_000)), &mut Vec::new());
        }
        recent.replace([(one, long)].into_iter());
        assert!(recent.get(one).is_none());
    }
}
