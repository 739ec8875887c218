//! Limits log messages that anyone can cause any number of times: at most one
//! line a second, with the number of occurrences.

use std::sync::atomic::{AtomicU64, Ordering};

use tillgate_kernel::Stopwatch;

/// The shortest time between two lines, in milliseconds.
const GAP_MILLISECONDS_MIN: u64 = 1000;

/// Counts occurrences, and decides when the next log line is due.
#[derive(Debug)]
pub struct Seldom {
    since_start: Stopwatch,
    /// When the last line was due, in milliseconds since the start, plus one.
    /// Zero if there was none.
    last: AtomicU64,
    untold: AtomicU64,
}

impl Default for Seldom {
    fn default() -> Seldom {
        Seldom {
            since_start: Stopwatch::start(),
            last: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }
}

impl Seldom {
    /// Counts an occurrence. Returns the number of occurrences since the last
    /// line if a line is due.
    pub fn due_times(&self) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        let now = u64::try_from(self.since_start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.last.load(Ordering::Relaxed);
        let is_due = last == 0 || now.saturating_sub(last - 1) >= GAP_MILLISECONDS_MIN;
        let is_mine = is_due
            && self
                .last
                .compare_exchange(last, now.saturating_add(1), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        is_mine.then(|| self.untold.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_makes_one_line_a_second() {
        let seldom = Seldom::default();
        assert_eq!(seldom.due_times(), Some(1));
        let lines = (0..100_000).filter_map(|_| seldom.due_times()).count();
        let seconds = usize::try_from(seldom.since_start.elapsed().as_secs()).expect("few");
        assert!(lines <= seconds + 1, "{lines} lines in {seconds} s");
    }
}
