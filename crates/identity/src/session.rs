//! How long a session lasts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillgate_kernel::Timestamp;
use tillgate_kernel::time::{between, later};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A session ends this long after it was last used.
pub const IDLE_DAYS_MAX: u32 = 14;

/// A session ends this long after it began.
pub const DAYS_MAX: u32 = 90;

/// That a session was used is written down this often, not with every request.
const NOTED_EVERY: Duration = Duration::from_secs(3600);

/// When a session began, and when it was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTimes {
    pub began_at: Timestamp,
    pub used_at: Timestamp,
}

impl SessionTimes {
    #[must_use]
    pub const fn beginning(now: Timestamp) -> SessionTimes {
        SessionTimes { began_at: now, used_at: now }
    }

    /// When it ends, if it is not used again.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        later(self.used_at, DAY * IDLE_DAYS_MAX).min(later(self.began_at, DAY * DAYS_MAX))
    }

    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.ends_at()
    }

    /// Whether its use at `now` is to be written down.
    #[must_use]
    pub fn is_to_be_noted(&self, now: Timestamp) -> bool {
        between(self.used_at, now) >= NOTED_EVERY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_not_used_and_after_its_longest_time() {
        let began_at: Timestamp = "2026-11-30T10:00:00Z".parse().expect("a time");
        let mut times = SessionTimes::beginning(began_at);
        assert!(!times.is_over(later(began_at, DAY * 14 - Duration::from_secs(1))));
        assert!(times.is_over(later(began_at, DAY * 14)));
        for day in (10..90).step_by(10) {
            let now = later(began_at, DAY * day);
            assert!(!times.is_over(now) && times.is_to_be_noted(now), "day {day}");
            times.used_at = now;
        }
        assert!(!times.is_to_be_noted(later(times.used_at, Duration::from_secs(3599))));
        assert!(times.is_over(later(began_at, DAY * 90)), "however much it is used");
    }
}
