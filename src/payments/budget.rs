//! A rate limit on calls to a payment system, counted per account by all
//! receivers together. A share of the calls is reserved for look-ups, so that a
//! rush of new orders never prevents them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kernel::document;
use crate::kernel::time::{between, from_micros, later};
use crate::kernel::{Document, Kind, Timestamp, Unreadable};

/// The rate limit of a payment system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The number of calls that are allowed…
    pub calls_max: usize,
    /// …within any window of this length.
    pub window: Duration,
    /// How many of them are reserved for look-ups.
    pub kept_for_looking: usize,
}

/// The purpose of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To create something.
    Make,
    /// To look up a status, or to cancel.
    Look,
}

/// The times of an account's latest calls, in microseconds since 1970, oldest
/// first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    calls: Vec<i64>,
}

impl Budget {
    /// Counts `calls` that are about to be made, if the limit allows them. The
    /// error says how long to wait.
    pub fn spend(
        &mut self,
        calls: usize,
        allowance: Allowance,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let Allowance { calls_max, window, kept_for_looking } = allowance;
        self.calls.retain(|at| between(from_micros(*at), now) < window);
        let allowed = match purpose {
            Purpose::Make => calls_max.saturating_sub(kept_for_looking),
            Purpose::Look => calls_max,
        };
        let too_many = (self.calls.len() + calls).saturating_sub(allowed);
        if let Some(last_to_go) = too_many.checked_sub(1) {
            // There is room once this many of the oldest calls have left the
            // window.
            let at = self.calls.get(last_to_go.min(self.calls.len().saturating_sub(1)));
            let free = at.map_or(now, |at| later(from_micros(*at), window));
            return Err(between(now, free).max(Duration::from_millis(1)));
        }
        self.calls.extend(std::iter::repeat_n(now.as_microsecond(), calls));
        Ok(())
    }
}

impl Document for Budget {
    const KIND: Kind = Kind::new(6, "call counts");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Budget, Unreadable> {
        document::decode(schema, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowance =
        Allowance { calls_max: 10, window: Duration::from_secs(30), kept_for_looking: 3 };

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millisecond).expect("a time")
    }

    #[test]
    fn a_rush_of_orders_leaves_room_for_look_ups() {
        let mut budget = Budget::default();
        for call in 0..7 {
            assert_eq!(budget.spend(1, ALLOWED, Purpose::Make, at(call)), Ok(()));
        }
        // The first of them leaves the window after 30 s.
        assert_eq!(
            budget.spend(1, ALLOWED, Purpose::Make, at(10)),
            Err(Duration::from_millis(29_990))
        );
        for call in 10..13 {
            assert_eq!(budget.spend(1, ALLOWED, Purpose::Look, at(call)), Ok(()));
        }
        assert_eq!(
            budget.spend(2, ALLOWED, Purpose::Look, at(20)),
            Err(Duration::from_millis(29_981))
        );
        assert_eq!(budget.spend(1, ALLOWED, Purpose::Look, at(30_000)), Ok(()));
    }

    /// No window of the given length has more calls than are allowed, in
    /// whatever pattern they come.
    #[test]
    fn no_window_holds_more_than_is_allowed() {
        let mut budget = Budget::default();
        let (mut made, mut now) = (Vec::new(), 0);
        for step in 0_i64..5000 {
            now += (step * 7919) % 4001;
            let purpose = if step % 3 == 0 { Purpose::Look } else { Purpose::Make };
            let calls = 1 + usize::from(step % 5 == 0);
            match budget.spend(calls, ALLOWED, purpose, at(now)) {
                Ok(()) => made.extend(std::iter::repeat_n(now, calls)),
                Err(wait) => {
                    // There is room after the wait, and not before.
                    let wait = i64::try_from(wait.as_millis()).expect("short");
                    assert!(budget.clone().spend(calls, ALLOWED, purpose, at(now + wait)).is_ok());
                    assert!(
                        budget.clone().spend(calls, ALLOWED, purpose, at(now + wait - 1)).is_err()
                    );
                }
            }
        }
        for (place, first) in made.iter().enumerate() {
            let within = made[place..].iter().take_while(|call| *call - first < 30_000).count();
            assert!(within <= ALLOWED.calls_max, "{within} calls from {first} on");
        }
        assert!(made.len() > 1000);
    }
}
