//! A batch that makes its group fail is likely to do so again. So for a while,
//! batches of its partitions are committed on a separate connection.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use super::group::partitions;
use crate::Batch;
use tillgate_kernel::{Partition, Stopwatch};

/// How long batches of a partition use the separate connection after one of
/// them has made a group fail.
const SUSPECT_TIME: Duration = Duration::from_secs(2);

/// The most partitions that are suspected at once. Beyond this limit, groups
/// are halved again.
const SUSPECTS_MAX: usize = 10_000;

/// Partitions of batches that recently made a group fail.
#[derive(Debug, Default)]
pub(super) struct Suspects(std::sync::Mutex<HashMap<Partition, Stopwatch>>);

impl Suspects {
    pub(super) fn add(&self, batch: &Batch) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, since| since.elapsed() < SUSPECT_TIME);
        if known.len() < SUSPECTS_MAX {
            known.extend(partitions(batch).map(|partition| (partition, Stopwatch::start())));
        }
    }

    pub(super) fn has(&self, batch: &Batch) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_suspect =
            |partition| known.get(&partition).is_some_and(|since| since.elapsed() < SUSPECT_TIME);
        !known.is_empty() && partitions(batch).any(is_suspect)
    }
}
