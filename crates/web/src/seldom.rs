//! What anyone can cause any number of times is logged at most once a second, with how often it was.

use std::sync::atomic::{AtomicU64, Ordering};

use tillgate_kernel::Stopwatch;

/// The shortest time between two lines, in milliseconds.
const GAP_MILLISECONDS_MIN: u64 = 1000;

/// Counts what happens, and says when it is time for a line about it.
#[derive(Debug)]
pub struct Seldom {
    since_start: Stopwatch,
    /// When the last line was due, in milliseconds since the start, and one more.
    last: AtomicU64,
    untold: AtomicU64,
}

impl Default for Seldom {
    fn default() -> Seldom {
        Seldom { since_start: Stopwatch::start(), last: AtomicU64::new(0), untold: AtomicU64::new(0) }
    }
}

impl Seldom {
    /// It has happened again. Says how often since the last line, when a line is due.
    pub fn tells(&self) -> Option<u64> {
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
        assert_eq!(seldom.tells(), Some(1));
        let lines = (0..100_000).filter_map(|_| seldom.tells()).count();
        let seconds = usize::try_from(seldom.since_start.elapsed().as_secs()).expect("few");
        assert!(lines <= seconds + 1, "{lines} lines in {seconds} s");
    }
}
