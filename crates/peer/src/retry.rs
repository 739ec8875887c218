//! The retry policy. Only this file uses the `backoff` crate.
//!
//! `backoff` computes the delays; the loop is our own. Its own loop never ends
//! if a peer says "again in 0 seconds", ignores its limits if a peer names a
//! time, and adds jitter beyond its cap.
//! (docs/adr/0005-backoff-behind-our-own-policy.md)

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// Exponential delays with a maximum, a final deadline, and respect for the
/// peer's `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first delay.
    pub first: Duration,
    /// The longest delay, whatever the peer asks for.
    pub longest: Duration,
    /// No attempt is made later than this after the first attempt.
    pub give_up_after: Duration,
}

/// Each delay is twice the previous one.
const GROWTH: f64 = 2.0;

/// Delays vary by up to this share, so that requests that failed together are
/// not repeated together.
const JITTER: f64 = 0.2;

impl RetryPolicy {
    /// The delay after `attempts` failed attempts, the first of which was `age`
    /// ago. `None` if it is time to give up. The peer's `wish` lengthens the
    /// delay and never shortens it.
    #[must_use]
    pub fn delay(&self, attempts: u32, age: Duration, wish: Option<Duration>) -> Option<Duration> {
        let doublings = attempts.saturating_sub(1).min(30);
        let own = ExponentialBackoff {
            initial_interval: self.first,
            current_interval: self
                .first
                .saturating_mul(2_u32.saturating_pow(doublings))
                .min(self.longest),
            multiplier: GROWTH,
            randomization_factor: JITTER,
            max_interval: self.longest,
            max_elapsed_time: None, // checked below: the schedule outlives the process
            ..ExponentialBackoff::default()
        }
        .next_backoff();
        let delay = own.unwrap_or(self.longest).max(wish.unwrap_or_default()).min(self.longest);
        (age.saturating_add(delay) <= self.give_up_after).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(60),
        give_up_after: Duration::from_secs(3600),
    };

    #[test]
    fn delays_grow_and_stay_under_their_cap() {
        for _ in 0..200 {
            let mut floor = Duration::from_millis(800);
            for attempts in 1..20 {
                let delay = POLICY.delay(attempts, Duration::ZERO, None).expect("there is time");
                assert!(
                    delay >= floor.min(Duration::from_secs(48)),
                    "attempt {attempts}: {delay:?}"
                );
                assert!(delay <= POLICY.longest, "attempt {attempts}: {delay:?}");
                floor *= 2;
            }
        }
    }

    #[test]
    fn a_peers_wish_lengthens_but_neither_shortens_nor_exceeds() {
        let soon = POLICY.delay(3, Duration::ZERO, Some(Duration::ZERO)).expect("there is time");
        assert!(soon >= Duration::from_secs(3), "{soon:?}");
        let wish = Some(Duration::from_secs(30));
        assert_eq!(POLICY.delay(1, Duration::ZERO, wish), Some(Duration::from_secs(30)));
        let wish = Some(Duration::from_secs(86_400));
        assert_eq!(POLICY.delay(1, Duration::ZERO, wish), Some(POLICY.longest));
    }

    #[test]
    fn retries_end() {
        assert_eq!(POLICY.delay(1, Duration::from_secs(3600), None), None);
        assert_eq!(POLICY.delay(5, Duration::from_secs(3599), Some(Duration::from_secs(2))), None);
        assert!(POLICY.delay(u32::MAX, Duration::ZERO, None).is_some());
    }
}
