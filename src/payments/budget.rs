//! A rate limit on calls to a payment system, counted per account by all
//! receivers together. A share of the calls is reserved for look-ups, so that a
//! rush of new orders never prevents them; and none of several merchants can
//! use up the rest, so that a rush at one does not prevent links of another.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kernel::document;
use crate::kernel::time::{between, from_micros, later};
use crate::kernel::{Document, Kind, PartyName, Timestamp, Unreadable};

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

/// One of several merchants may have made at most this many times as many calls
/// as are still free: three quarters of all if the others make none. As the
/// others make calls, its part shrinks, and something always stays free.
const PART_OF_FREE_MAX: usize = 3;

impl Allowance {
    /// The number of calls for new things in a window.
    fn for_making(self) -> usize {
        self.calls_max.saturating_sub(self.kept_for_looking)
    }

    /// How many calls for new things one of several merchants may make within
    /// `time`, if the others make none.
    #[must_use]
    pub fn part_within(self, time: Duration) -> usize {
        let part = self.for_making() * PART_OF_FREE_MAX / (PART_OF_FREE_MAX + 1);
        let window = self.window.as_millis().max(1);
        let calls = part as u128 * time.as_millis() / window;
        usize::try_from(calls).unwrap_or(usize::MAX).max(1)
    }
}

/// On whose behalf calls are made.
#[derive(Debug, Clone, Copy)]
pub struct CallsFor<'a> {
    /// The merchant, or the marketplace whose orders are paid through us.
    pub merchant: &'a PartyName,
    /// Whether it is the only one with this account.
    pub is_alone: bool,
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
/// first, and on whose behalf they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    calls: Vec<(i64, PartyName)>,
}

impl Budget {
    /// Counts `calls` that are about to be made, if the limit allows them. The
    /// error says how long to wait.
    pub fn spend(
        &mut self,
        calls: usize,
        allowance: Allowance,
        purpose: Purpose,
        by: CallsFor<'_>,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let window = allowance.window;
        self.calls.retain(|(at, _)| between(from_micros(*at), now) < window);
        // There is room once enough of the oldest calls have left the window.
        for (gone, (at, _)) in self.calls.iter().enumerate() {
            if has_room(&self.calls[gone..], calls, allowance, purpose, by) {
                break;
            }
            let free = later(from_micros(*at), window);
            let is_enough = has_room(&self.calls[gone + 1..], calls, allowance, purpose, by);
            if is_enough || gone + 1 == self.calls.len() {
                return Err(between(now, free).max(Duration::from_millis(1)));
            }
        }
        let made = (now.as_microsecond(), by.merchant.clone());
        self.calls.extend(std::iter::repeat_n(made, calls));
        Ok(())
    }
}

/// Whether `calls` more may be made after those in `made`.
fn has_room(
    made: &[(i64, PartyName)],
    calls: usize,
    allowance: Allowance,
    purpose: Purpose,
    by: CallsFor<'_>,
) -> bool {
    let (allowed, has_part) = match purpose {
        Purpose::Make => (allowance.for_making(), !by.is_alone),
        Purpose::Look => (allowance.calls_max, false),
    };
    let Some(free) = allowed.checked_sub(made.len() + calls) else { return false };
    let own = || made.iter().filter(|(_, merchant)| merchant == by.merchant).count();
    !has_part || own() + calls <= PART_OF_FREE_MAX * free
}

impl Document for Budget {
    const KIND: Kind = Kind::new(6, "call counts");
    const SCHEMA: u16 = 3;
    const OLDEST: u16 = 3;

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

    fn shop() -> PartyName {
        PartyName::new("shop")
    }

    fn alone(merchant: &PartyName) -> CallsFor<'_> {
        CallsFor { merchant, is_alone: true }
    }

    /// The rush of one merchant leaves calls for the others, however many they
    /// are, and what stays free is not lost.
    #[test]
    fn a_rush_at_one_merchant_leaves_room_for_others() {
        let allowed =
            Allowance { calls_max: 100, window: Duration::from_secs(30), kept_for_looking: 30 };
        let mut budget = Budget::default();
        let mut rush = |name: &str| {
            let merchant = PartyName::new(name);
            let by = CallsFor { merchant: &merchant, is_alone: false };
            (0..100).filter(|_| budget.spend(1, allowed, Purpose::Make, by, at(0)).is_ok()).count()
        };
        let made = ["busy", "second", "third", "fourth"].map(&mut rush);
        assert_eq!(made, [52, 13, 3, 1]);
        assert_eq!(rush("busy"), 0);
        // One that is alone has all of it, and look-ups have their share.
        let by = shop();
        let looks = (0..100)
            .filter(|_| budget.spend(1, allowed, Purpose::Look, alone(&by), at(1)).is_ok())
            .count();
        assert_eq!(looks, 31);
        let mut budget = Budget::default();
        let makes = (0..100)
            .filter(|_| budget.spend(1, allowed, Purpose::Make, alone(&by), at(0)).is_ok())
            .count();
        assert_eq!(makes, 70);
        assert_eq!(allowed.part_within(Duration::from_secs(60)), 104);
    }

    #[test]
    fn a_rush_of_orders_leaves_room_for_look_ups() {
        let mut budget = Budget::default();
        for call in 0..7 {
            assert_eq!(budget.spend(1, ALLOWED, Purpose::Make, alone(&shop()), at(call)), Ok(()));
        }
        // The first of them leaves the window after 30 s.
        assert_eq!(
            budget.spend(1, ALLOWED, Purpose::Make, alone(&shop()), at(10)),
            Err(Duration::from_millis(29_990))
        );
        for call in 10..13 {
            assert_eq!(budget.spend(1, ALLOWED, Purpose::Look, alone(&shop()), at(call)), Ok(()));
        }
        assert_eq!(
            budget.spend(2, ALLOWED, Purpose::Look, alone(&shop()), at(20)),
            Err(Duration::from_millis(29_981))
        );
        assert_eq!(budget.spend(1, ALLOWED, Purpose::Look, alone(&shop()), at(30_000)), Ok(()));
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
            match budget.spend(calls, ALLOWED, purpose, alone(&shop()), at(now)) {
                Ok(()) => made.extend(std::iter::repeat_n(now, calls)),
                Err(wait) => {
                    // There is room after the wait, and not before.
                    let wait = i64::try_from(wait.as_millis()).expect("short");
                    assert!(
                        budget
                            .clone()
                            .spend(calls, ALLOWED, purpose, alone(&shop()), at(now + wait))
                            .is_ok()
                    );
                    assert!(
                        budget
                            .clone()
                            .spend(calls, ALLOWED, purpose, alone(&shop()), at(now + wait - 1))
                            .is_err()
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
