//! The clock by which messages are due: that of the database, or that of a
//! test.

use tillgate_kernel::Clock;

/// The clock by which messages are due.
#[derive(Debug, Clone)]
pub(super) enum Time {
    /// The database's clock, which all receivers share.
    OfTheDatabase,
    /// A clock that a test moves.
    OfATest(Clock),
}

impl Time {
    pub(super) fn of(clock: &Clock) -> Time {
        match clock {
            Clock::System | Clock::Wrong(_) => Time::OfTheDatabase,
            Clock::Manual(_) => Time::OfATest(clock.clone()),
        }
    }

    /// The current time of a test's clock in microseconds; none if the
    /// database's clock is used.
    pub(super) fn of_a_test(&self) -> Option<i64> {
        match self {
            Time::OfTheDatabase => None,
            Time::OfATest(clock) => Some(clock.now().as_microsecond()),
        }
    }
}
