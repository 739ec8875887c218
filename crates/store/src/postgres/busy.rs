//! Partitions that a writer of this process is committing. Batches for them
//! wait for it: in the database they would find the page locked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tillgate_kernel::Partition;

use super::group::partitions;
use super::job::Job;

/// The partitions that are being committed, with the batches that wait for
/// each.
#[derive(Clone, Default)]
pub struct Busy(Arc<Mutex<HashMap<Partition, Vec<Job>>>>);

impl Busy {
    /// Returns the batches that can be committed now, and their partitions. The
    /// others wait until [`Busy::end`].
    pub fn begin(&self, jobs: Vec<Job>) -> (Vec<Job>, Vec<Partition>) {
        let mut busy = self.lock();
        let mut free = Vec::with_capacity(jobs.len());
        for job in jobs {
            let taken = partitions(&job.batch).find(|partition| busy.contains_key(partition));
            match taken.and_then(|partition| busy.get_mut(&partition)) {
                Some(waiting) => waiting.push(job),
                None => free.push(job),
            }
        }
        let mut begun: Vec<Partition> =
            free.iter().flat_map(|job| partitions(&job.batch)).collect();
        begun.sort_unstable();
        begun.dedup();
        busy.extend(begun.iter().map(|partition| (*partition, Vec::new())));
        (free, begun)
    }

    /// The partitions are committed. Returns the batches that have waited for
    /// them.
    pub fn end(&self, begun: &[Partition]) -> Vec<Job> {
        let mut busy = self.lock();
        begun.iter().filter_map(|partition| busy.remove(partition)).flatten().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Partition, Vec<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tillgate_kernel::{DocKey, Kind};
    use tokio::sync::oneshot;

    use super::*;
    use crate::workers::Reservations;
    use crate::{Batch, Expect};

    fn job(partition: u64, id: u128) -> Job {
        let partition = Partition::from_u64(partition);
        let mut batch = Batch::new();
        batch.assert_version(DocKey { partition, kind: Kind::new(1, "notes"), id }, Expect::Absent);
        Job::new(batch, Reservations::default(), oneshot::channel().0)
    }

    fn ids(jobs: &[Job]) -> Vec<u128> {
        jobs.iter().flat_map(|job| job.batch.docs.keys().map(|key| key.id)).collect()
    }

    #[test]
    fn batches_for_a_partition_that_is_committed_wait_in_their_order() {
        let busy = Busy::default();
        let (first, begun) = busy.begin(vec![job(7, 1), job(8, 2), job(7, 3)]);
        assert_eq!(ids(&first), [1, 2, 3], "those of one group do not wait for each other");
        let (second, begun_by_other) = busy.begin(vec![job(7, 4), job(9, 5), job(7, 6)]);
        assert_eq!(ids(&second), [5]);
        assert_eq!(ids(&busy.end(&begun_by_other)), []);
        let waited = busy.end(&begun);
        assert_eq!(ids(&waited), [4, 6]);
        assert_eq!(ids(&busy.begin(waited).0), [4, 6], "it is free again");
    }
}
