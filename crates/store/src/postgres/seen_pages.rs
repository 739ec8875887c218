//! Which partitions had a page when they were last read or written by this
//! process. It is a hint: a batch for one of them reads the page first, instead
//! of an insert that is expected to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tillgate_kernel::Partition;

use super::codec::signed;

/// How many partitions are remembered, at most. A later one takes the place of
/// an earlier one.
const PARTITIONS_MAX: usize = 1 << 14;

/// The partitions that had a page.
#[derive(Debug, Clone)]
pub struct SeenPages(Arc<[AtomicI64]>);

impl SeenPages {
    pub fn new() -> SeenPages {
        SeenPages((0..PARTITIONS_MAX).map(|_| AtomicI64::new(0)).collect())
    }

    pub fn note(&self, partition: Partition) {
        self.place(partition).store(signed(partition), Ordering::Relaxed);
    }

    /// Whether the partition is known to have had a page.
    pub fn has(&self, partition: Partition) -> bool {
        let number = signed(partition);
        number != 0 && self.place(partition).load(Ordering::Relaxed) == number
    }

    fn place(&self, partition: Partition) -> &AtomicI64 {
        // The numbers of partitions are hashes or counted up: either way their
        // last bits differ.
        &self.0[signed(partition).cast_unsigned() as usize % PARTITIONS_MAX]
    }
}
