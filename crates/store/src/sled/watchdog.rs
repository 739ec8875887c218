//! The thread that notices when sled has deadlocked.
//!
//! sled 0.34 can deadlock by itself: a writer holds a lock while it waits for a
//! truncation of the file, and the truncation is queued in sled's writer
//! threads behind others that wait for that lock (fixed in sled's unreleased
//! main branch). Nothing is lost by it, but writes make no progress, and reads
//! wait with them: the gateway neither works nor ends. A restarted process
//! recovers in a moment. So a write, or a flush with its sync, that has not
//! ended for [`STALL_SECONDS_MAX`] counts as failed, whatever the cause, and
//! the process ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::progress::{Progress, stop};
use tillgate_kernel::Stopwatch;

/// How long a write or a flush may take, in seconds: six times as long as a
/// marketplace waits for its answer.
pub const STALL_SECONDS_MAX: u64 = 30;
// A marketplace waits 5 s for an answer, and sends a hook seven times.
const _: () = assert!(STALL_SECONDS_MAX <= 6 * 5);

/// How long the process has to end by itself, in seconds. Its threads may be
/// waiting for sled too.
pub const FAREWELL_SECONDS_MAX: u64 = 3;

/// The pause between two checks.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// When a thread began its current operation.
#[derive(Debug, Default)]
pub struct Since(AtomicU64);

/// The current operations of the store's threads.
#[derive(Debug)]
pub struct ThreadProgress {
    watch: Stopwatch,
    /// The committer's write.
    pub write: Since,
    /// The committer's flush and sync.
    pub flush: Since,
    /// The committer's whole group, including everything that it reads for it.
    pub group: Since,
}

impl ThreadProgress {
    pub fn new() -> Arc<ThreadProgress> {
        Arc::new(ThreadProgress {
            watch: Stopwatch::start(),
            write: Since::default(),
            flush: Since::default(),
            group: Since::default(),
        })
    }

    /// Milliseconds since the start, never 0, which means "no operation".
    fn now(&self) -> u64 {
        u64::try_from(self.watch.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Runs an operation that the watchdog observes.
    pub fn during<T>(&self, what: &Since, work: impl FnOnce() -> T) -> T {
        what.0.store(self.now(), Ordering::Relaxed);
        let done = work();
        what.0.store(0, Ordering::Relaxed);
        done
    }

    /// The disk operation that has been under way for longer than `longest`, if
    /// any.
    pub fn stalled(&self, longest: Duration) -> Option<&'static str> {
        self.longer(
            longest,
            [("a write", &self.write), ("a flush or sync of the disk", &self.flush)],
        )
    }

    /// Like [`stalled`](Self::stalled), for everything that commits wait for: a
    /// group that reads much may take longer than one write.
    fn hangs(&self, longest: Duration) -> Option<&'static str> {
        self.stalled(longest)
            .or_else(|| self.longer(longest, [("a group of commits", &self.group)]))
    }

    fn longer<const N: usize>(
        &self,
        longest: Duration,
        all: [(&'static str, &Since); N],
    ) -> Option<&'static str> {
        let now = self.now();
        let is_stalled = |since: &Since| {
            let since = since.0.load(Ordering::Relaxed);
            since > 0 && Duration::from_millis(now.saturating_sub(since)) > longest
        };
        all.into_iter().find(|(_, since)| is_stalled(since)).map(|(what, _)| what)
    }
}

/// Runs until the store is dropped. `end` ends the process.
pub fn run(
    pulse: &Weak<ThreadProgress>,
    progress: &watch::Sender<Progress>,
    stall_max: Duration,
    end: impl FnOnce(),
) {
    while let Some(pulse) = pulse.upgrade() {
        if let Some(what) = pulse.hangs(stall_max) {
            let seconds = stall_max.as_secs();
            stop(
                progress,
                format!("{what} has not ended for {seconds} s: the disk or the store hangs"),
            );
            return end();
        }
        drop(pulse);
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Ends the process if it has not ended by itself.
#[expect(clippy::exit, reason = "threads that hang in sled cannot be waited for")]
pub fn end_process() {
    std::thread::sleep(Duration::from_secs(FAREWELL_SECONDS_MAX));
    std::process::exit(1);
}
