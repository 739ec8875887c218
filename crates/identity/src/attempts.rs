//! Limits of attempts. The state is a value to be stored, so that limits are
//! the same on all machines and survive a restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillgate_kernel::Timestamp;
use tillgate_kernel::time::{between, later};

/// A limit of attempts that fail. Each failure over the number of free ones
/// doubles the time until the next attempt. Nothing is ever locked, because a
/// lock would let an attacker keep the owner out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureLimit {
    /// So many failures cost no time.
    pub free: u32,
    /// The first wait.
    pub wait_min: Duration,
    /// The longest wait.
    pub wait_max: Duration,
    /// Failures are forgotten this long after the last one.
    pub forgotten_after: Duration,
}

/// Attempts that have failed, or whose outcome is not known yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    count: u32,
    last_at: Option<Timestamp>,
}

impl Failures {
    /// Counts an attempt as failed before its outcome is known, so that many
    /// attempts at the same moment are limited too. After a success the caller
    /// removes the failures.
    ///
    /// # Errors
    /// The time from which on an attempt is allowed; nothing is counted.
    pub fn attempt(&mut self, limit: FailureLimit, now: Timestamp) -> Result<(), Timestamp> {
        if self.last_at.is_some_and(|last| between(last, now) >= limit.forgotten_after) {
            *self = Failures::default();
        }
        let allowed_at = self.allowed_at(limit);
        if allowed_at.is_some_and(|at| now < at) {
            return Err(allowed_at.unwrap_or(now));
        }
        self.count = self.count.saturating_add(1);
        self.last_at = Some(now);
        Ok(())
    }

    /// Takes back one attempt, which has succeeded after all. The others stay:
    /// several people may share what is counted, such as a network.
    pub fn take_back(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    fn allowed_at(self, limit: FailureLimit) -> Option<Timestamp> {
        let over = self.count.checked_sub(limit.free)?;
        let wait = limit.wait_min.saturating_mul(2_u32.saturating_pow(over));
        Some(later(self.last_at?, wait.min(limit.wait_max)))
    }
}

/// A limit of attempts in any stretch of time, whatever their outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub attempts_max: usize,
    pub within: Duration,
}

/// The times of recent attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent(Vec<Timestamp>);

impl Recent {
    /// Counts an attempt.
    ///
    /// # Errors
    /// The time from which on an attempt is allowed; nothing is counted.
    pub fn attempt(&mut self, limit: RateLimit, now: Timestamp) -> Result<(), Timestamp> {
        self.0.retain(|at| between(*at, now) < limit.within);
        if self.0.len() >= limit.attempts_max {
            return Err(self.0.first().map_or(now, |first| later(*first, limit.within)));
        }
        self.0.push(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMIT: FailureLimit = FailureLimit {
        free: 3,
        wait_min: SECOND,
        wait_max: Duration::from_secs(60),
        forgotten_after: Duration::from_secs(3600),
    };

    fn start() -> Timestamp {
        "2026-11-30T10:00:00Z".parse().expect("a time")
    }

    #[test]
    fn each_failure_over_the_free_ones_doubles_the_wait() {
        let (mut failures, mut now) = (Failures::default(), start());
        for _ in 0..3 {
            assert_eq!(failures.attempt(LIMIT, now), Ok(()));
        }
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            let allowed_at = later(now, SECOND * wait);
            assert_eq!(failures.attempt(LIMIT, now), Err(allowed_at));
            let before = failures;
            assert!(failures.attempt(LIMIT, later(now, SECOND * wait - SECOND / 2)).is_err());
            assert_eq!(failures, before, "a refused attempt does not make the wait longer");
            now = allowed_at;
            assert_eq!(failures.attempt(LIMIT, now), Ok(()));
        }
        now = later(now, LIMIT.forgotten_after);
        assert_eq!(failures.attempt(LIMIT, now), Ok(()));
        assert_eq!(failures.attempt(LIMIT, now), Ok(()), "the failures are forgotten");
    }

    #[test]
    fn a_success_takes_back_its_own_attempt() {
        let (mut failures, now) = (Failures::default(), start());
        for _ in 0..100 {
            assert_eq!(failures.attempt(LIMIT, now), Ok(()));
            failures.take_back();
        }
        for _ in 0..3 {
            assert_eq!(failures.attempt(LIMIT, now), Ok(()));
        }
        failures.take_back();
        assert_eq!(failures.attempt(LIMIT, now), Ok(()));
        assert!(failures.attempt(LIMIT, now).is_err());
    }

    #[test]
    fn a_hundred_attempts_take_more_than_an_hour() {
        let (mut failures, mut now) = (Failures::default(), start());
        for _ in 0..100 {
            if let Err(at) = failures.attempt(LIMIT, now) {
                now = at;
                assert_eq!(failures.attempt(LIMIT, now), Ok(()));
            }
        }
        assert!(between(start(), now) > Duration::from_secs(3600), "{now}");
    }

    #[test]
    fn attempts_are_limited_in_any_stretch_of_time() {
        let limit = RateLimit { attempts_max: 3, within: Duration::from_secs(60) };
        let (mut recent, now) = (Recent::default(), start());
        for seconds in [0, 10, 20] {
            assert_eq!(recent.attempt(limit, later(now, SECOND * seconds)), Ok(()));
        }
        let refused = recent.attempt(limit, later(now, SECOND * 59));
        assert_eq!(refused, Err(later(now, SECOND * 60)));
        assert_eq!(recent.attempt(limit, later(now, SECOND * 60)), Ok(()));
        assert_eq!(recent.attempt(limit, later(now, SECOND * 61)), Err(later(now, SECOND * 70)));
    }
}
