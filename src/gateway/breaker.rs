//! A payment system that fails again and again is left alone for a while, and then tried with one call: it recovers sooner,
//! and everything else that waits for it waits without a time-out each.

use std::time::Duration;

use super::Failure;
use crate::kernel::Timestamp;
use crate::kernel::time::{between, later};

/// Failures in a row after which it is left alone.
const FAILURES_MAX: u32 = 8;

/// For how long at first; each time that the trying call fails too, for twice as long.
const REST_MIN: Duration = Duration::from_secs(5);

/// And at most.
const REST_MAX: Duration = Duration::from_secs(60);

/// How long a trying call may be on its way before another is let through: its sender may have died.
const TRY_MAX: Duration = Duration::from_secs(60);

/// While one is on its way, others come back so soon: it is probably answered by then.
const TRY_PAUSE: Duration = Duration::from_secs(1);

/// Whether a payment system is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// Until when nobody calls, and for how long that is in all.
    rests: Option<(Timestamp, Duration)>,
    /// A call is on its way to try.
    is_tried: bool,
}

impl Breaker {
    /// How long no call may be made from now on, if so.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        let (until, _) = self.rests.filter(|(until, _)| now < *until)?;
        let wait = between(now, until);
        Some(if self.is_tried { wait.min(TRY_PAUSE) } else { wait })
    }

    /// A call is made now. While it is left alone that is the one that tries: whoever else comes waits for what it hears.
    pub fn begins(&mut self, now: Timestamp) {
        if let Some((_, rest)) = self.rests {
            (self.rests, self.is_tried) = (Some((later(now, TRY_MAX), rest)), true);
        }
    }

    /// What a call came to. Whether it was the answer that was hoped for does not matter: somebody answered.
    pub fn heard<T>(&mut self, outcome: &Result<T, Failure>, now: Timestamp) {
        let is_down = match outcome {
            // Told to wait, it is there.
            Err(Failure::NotDone { wish, .. }) => wish.is_none(),
            Err(Failure::Unknown(_)) => true,
            Ok(_)
            | Err(Failure::NoAccess(_) | Failure::Refused(_) | Failure::Duplicate | Failure::Unclear(_)) => {
                false
            }
        };
        if !is_down {
            *self = Breaker::default();
            return;
        }
        match self.rests {
            // One that was on its way when the others failed says nothing new.
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

    /// Whether it is left alone.
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
    fn after_some_failures_it_is_left_alone_and_tried_with_one_call() {
        let mut breaker = Breaker::default();
        for second in 0..8 {
            assert_eq!(breaker.wait(at(second)), None);
            breaker.begins(at(second));
            breaker.heard(&failed(), at(second));
        }
        assert!(breaker.is_open());
        assert_eq!(breaker.wait(at(8)), Some(Duration::from_secs(4)));
        // Calls that were on their way fail too, and change nothing.
        breaker.heard(&failed(), at(8));
        assert_eq!(breaker.wait(at(8)), Some(Duration::from_secs(4)));
        assert_eq!(breaker.wait(at(12)), None);
        breaker.begins(at(12));
        assert_eq!(breaker.wait(at(12)), Some(TRY_PAUSE), "one tries");
        breaker.heard(&failed(), at(12));
        assert_eq!(breaker.wait(at(12)), Some(Duration::from_secs(10)), "twice as long");
        breaker.begins(at(22));
        breaker.heard(&Ok(()), at(23));
        assert_eq!((breaker.wait(at(23)), breaker.is_open()), (None, false));
    }

    #[test]
    fn an_answer_of_any_kind_is_no_failure() {
        let mut breaker = Breaker::default();
        let wish = Some(Duration::from_secs(1));
        for _ in 0..100 {
            for failure in [
                Failure::Refused("no".into()),
                Failure::Duplicate,
                Failure::NoAccess("who?".into()),
                Failure::Unclear("404".into()),
                Failure::NotDone { why: "wait".into(), wish },
            ] {
                breaker.heard::<()>(&Err(failure), at(0));
            }
            breaker.heard(&failed(), at(0));
        }
        assert!(!breaker.is_open());
    }

    /// The one who tries may die: somebody else tries later.
    #[test]
    fn a_trying_call_that_is_never_heard_of_does_not_close_the_way_for_ever() {
        let mut breaker = Breaker::default();
        for _ in 0..8 {
            breaker.heard(&failed(), at(0));
        }
        assert_eq!(breaker.wait(at(5)), None);
        breaker.begins(at(5));
        assert_eq!(breaker.wait(at(64)), Some(Duration::from_secs(1)));
        assert_eq!(breaker.wait(at(65)), None);
    }
}
