//! Hashing passwords: beside the runtime, on all cores but one, with a limited
//! queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::Refusal;

/// So many passwords may wait to be hashed for each core that hashes: about two
/// seconds of work.
const WAITING_PER_CORE_MAX: usize = 100;

#[derive(Debug)]
pub struct Hasher {
    cores: Arc<Semaphore>,
    under_way: AtomicUsize,
    under_way_max: usize,
}

impl Hasher {
    /// A hasher on this machine's cores.
    #[must_use]
    pub fn of_this_machine() -> Hasher {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Hasher::on(cores.saturating_sub(1).max(1))
    }

    fn on(cores: usize) -> Hasher {
        let under_way_max = cores * (WAITING_PER_CORE_MAX + 1);
        let cores = Arc::new(Semaphore::new(cores));
        Hasher { cores, under_way: AtomicUsize::new(0), under_way_max }
    }

    /// Runs work that takes as long as hashing a password.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when too many wait already.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let _counted = Counted::enter(&self.under_way, self.under_way_max)?;
        // Nobody closes the semaphore.
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(|_| Refusal::Busy)?;
        // If the caller leaves, the core is busy until the work is done.
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(core);
            done
        });
        working.await.map_err(|why| {
            tracing::error!(error = %why, "hashing a password failed");
            Refusal::Unavailable
        })
    }
}

/// One of those who are being served or wait.
struct Counted<'a>(&'a AtomicUsize);

impl Counted<'_> {
    fn enter(count: &AtomicUsize, most: usize) -> Result<Counted<'_>, Refusal> {
        if count.fetch_add(1, Ordering::Relaxed) >= most {
            count.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::Busy);
        }
        Ok(Counted(count))
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_runs_on_so_many_cores_and_a_limited_number_waits() {
        let hasher = Arc::new(Hasher::on(1));
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..hasher.under_way_max {
            let (hasher, held) = (Arc::clone(&hasher), Arc::clone(&held));
            let wait = move || held.lock().expect("not poisoned").recv().is_ok();
            all.spawn(async move { hasher.run(wait).await });
        }
        while hasher.under_way.load(Ordering::Relaxed) < hasher.under_way_max {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.run(|| ()).await, Err(Refusal::Busy));
        for _ in 0..hasher.under_way_max {
            release.send(()).expect("somebody waits");
        }
        while let Some(done) = all.join_next().await {
            assert_eq!(done.expect("no panic"), Ok(true));
        }
        assert_eq!(hasher.run(|| 7).await, Ok(7));
    }
}
