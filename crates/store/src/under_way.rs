//! Counts the work that will soon end in a commit, so that an engine can wait a
//! moment for it and write it together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The work that is under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<AtomicUsize>);

/// A unit of work, until it is dropped.
#[derive(Debug)]
pub struct Work(Arc<AtomicUsize>);

impl UnderWay {
    pub(crate) fn begin(&self) -> Work {
        self.0.fetch_add(1, Ordering::Relaxed);
        Work(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
