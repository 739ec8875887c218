//! A circuit breaker. A payment system that fails repeatedly is not called for
//! a while, and is then probed with a single call. It recovers sooner, and the
//! other calls do not each run into a timeout.

use std::time::Duration;

use super::Failure;
use crate::kernel::Timestamp;
use crate::kernel::time::{between, later};

/// The number of consecutive failures that opens the breaker.
const FAILURES_MAX: u32 = 8;

/// The first pause. It doubles each time the probe fails too.
const REST_MIN: Duration = Duration::from_secs(5);

/// The longest pause.
const REST_MAX: Duration = Duration::from_secs(60);

/// How long a probe may take before another is allowed: the process that sent
/// the first one may have died.
const TRY_MAX: Duration = Duration::from_secs(60);

/// How long other calls wait while a probe is in flight. The probe is probably
/// answered by then.
const TRY_PAUSE: Duration = Duration::from_secs(1);

/// The state of a payment system's circuit breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    /// The number of consecutive failures.
    failures: u32,
    /// While the breaker is open: when the pause ends, and its full length.
    rests: Option<(Timestamp, Duration)>,
    /// A probe is in flight.
    is_tried: bool,
}

impl Breaker {
    /// How long to wait before the next call. None if a call may be made now.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        let (until, _) = self.rests.filter(|(until, _)| now < *until)?;
        let wait = between(now, until);
        Some(if self.is_tried { wait.min(TRY_PAUSE) } else { wait })
    }

    /// Records that a call starts now. If the breaker is open, this call is the
    /// probe, and all others wait for its outcome.
    pub fn begins(&mut self, now: Timestamp) {
        if let Some((_, rest)) = self.rests {
            (self.rests, self.is_tried) = (Some((later(now, TRY_MAX), rest)), true);
        }
    }

    /// Records the outcome of a call. Any answer counts as a success, even a
    /// refusal: it shows that the payment system is up.
    pub fn record<T>(&mut self, outcome: &Result<T, Failure>, now: Timestamp) {
        let is_down = match outcome {
            // An answer with a time to wait shows that it is up.
            Err(Failure::NotDone { retry_after, .. }) => retry_after.is_none(),
            Err(Failure::Unknown(_)) => true,
            Ok(_)
            | Err(
                Failure::NoAccess(_)
                | Failure::Refused(_)
                | Failure::Duplicate
                | Failure::Unclear(_),
            ) => false,
        };
        if !is_down {
            *self = Breaker::default();
            return;
        }
        match self.rests {
            // This call started before the breaker opened. Its failure adds
            // nothing.
            Some(_) if !self.is_tried => {}
            Some((_, rest)) => {
                let rest = (rest * 2).min(REST_MAX);
                (self.rests, self.is_tried) = (Some((later(now, rest), rest)), false);
            }
            None => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= FAILURES_MAX {
                    self.rests = Some((later(now, REST_MIN), REST_MIN));
                }
            }
        }
    }

    /// Whether calls are paused.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.rests.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    fn failed() -> Result<(), Failure> {
        Err(Failure::Unknown("no answer".into()))
    }

    #[test]
    fn after_eight_failures_calls_pause_and_one_call_probes() {
        let mut breaker = Breaker::default();
        for second in 0..8 {
            assert_eq!(breaker.wait(at(second)), None);
            breaker.begins(at(second));
            breaker.record(&failed(), at(second));
        }
        assert!(breaker.is_open());
        assert_eq!(breaker.wait(at(8)), Some(Duration::from_secs(4)));
        // Calls that were already in flight fail too, and change nothing.
        breaker.record(&failed(), at(8));
        assert_eq!(breaker.wait(at(8)), Some(Duration::from_secs(4)));
        assert_eq!(breaker.wait(at(12)), None);
        breaker.begins(at(12));
        assert_eq!(breaker.wait(at(12)), Some(TRY_PAUSE), "one call probes");
        breaker.record(&failed(), at(12));
        assert_eq!(breaker.wait(at(12)), Some(Duration::from_secs(10)), "twice as long");
        breaker.begins(at(22));
        breaker.record(&Ok(()), at(23));
        assert_eq!((breaker.wait(at(23)), breaker.is_open()), (None, false));
    }

    #[test]
    fn any_answer_counts_as_a_success() {
        let mut breaker = Breaker::default();
        let retry_after = Some(Duration::from_secs(1));
        for _ in 0..100 {
            for failure in [
                Failure::Refused("no".into()),
                Failure::Duplicate,
                Failure::NoAccess("who?".into()),
                Failure::Unclear("404".into()),
                Failure::NotDone { why: "wait".into(), retry_after },
            ] {
                breaker.record::<()>(&Err(failure), at(0));
            }
            breaker.record(&failed(), at(0));
        }
        assert!(!breaker.is_open());
    }

    /// If the process that sent the probe dies, another call probes later.
    #[test]
    fn a_lost_probe_does_not_block_calls_for_ever() {
        let mut breaker = Breaker::default();
        for _ in 0..8 {
            breaker.record(&failed(), at(0));
        }
        assert_eq!(breaker.wait(at(5)), None);
        breaker.begins(at(5));
        assert_eq!(breaker.wait(at(64)), Some(Duration::from_secs(1)));
        assert_eq!(breaker.wait(at(65)), None);
    }
}
