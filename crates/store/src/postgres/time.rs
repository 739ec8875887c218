//! By which clock messages are due: the database's, or a test's.

use tillgate_kernel::Clock;

/// By which messages are due and leases end.
#[derive(Debug, Clone)]
pub(super) enum Time {
    /// The database's clock, which all receivers share.
    OfTheDatabase,
    /// A clock that tests move.
    OfATest(Clock),
}

impl Time {
    pub(super) fn of(clock: &Clock) -> Time {
        match clock {
            Clock::System | Clock::Wrong(_) => Time::OfTheDatabase,
            Clock::Manual(_) => Time::OfATest(clock.clone()),
        }
    }

    /// The present time in microseconds, where it is not the database's to say.
    pub(super) fn of_a_test(&self) -> Option<i64> {
        match self {
            Time::OfTheDatabase => None,
            Time::OfATest(clock) => Some(clock.now().as_microsecond()),
        }
    }
}
