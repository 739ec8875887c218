//! Time as an argument: a clock that tests can set, and the only place that
//! reads the system's clocks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use jiff::Timestamp;
/// Where the current time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's wall clock.
    System,
    /// The system's wall clock, wrong by this many seconds: for tests.
    Wrong(i64),
    /// A clock that changes only when a test advances it.
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// Creates a manual clock that shows `at`.
    #[must_use]
    pub fn manual(at: Timestamp) -> Clock {
        Clock::Manual(Arc::new(Mutex::new(at)))
    }

    /// The current time, rounded down to the microsecond, which is the
    /// precision of the store.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the file that the ban points to")]
    pub fn now(&self) -> Timestamp {
        let now = match self {
            Clock::System => Timestamp::now(),
            Clock::Wrong(seconds) => from_micros(
                Timestamp::now().as_microsecond().saturating_add(seconds.saturating_mul(1_000_000)),
            ),
            Clock::Manual(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        };
        from_micros(now.as_microsecond())
    }

    /// Advances a manual clock. Has no effect on the system's clock.
    pub fn advance(&self, by: Duration) {
        match self {
            Clock::System | Clock::Wrong(_) => {}
            Clock::Manual(at) => {
                let mut at = at.lock().unwrap_or_else(PoisonError::into_inner);
                *at = later(*at, by);
            }
        }
    }
}

/// A clock that never goes back and cannot be set. It starts at the time of a
/// wall clock, or at the last time shown by an earlier clock of this kind if
/// that is later, and then advances by itself.
#[derive(Clone, Debug)]
pub struct SteadyClock {
    clock: Clock,
    began_at: Timestamp,
    since: Stopwatch,
}

impl SteadyClock {
    /// Starts a clock that never shows a time before `shown`.
    #[must_use]
    pub fn start(clock: Clock, shown: Timestamp) -> SteadyClock {
        let began_at = clock.now().max(shown);
        SteadyClock { clock, began_at, since: Stopwatch::start() }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.clock {
            Clock::System | Clock::Wrong(_) => {
                from_micros(later(self.began_at, self.since.elapsed()).as_microsecond())
            }
            Clock::Manual(_) => self.clock.now().max(self.began_at),
        }
    }
}

/// `at` plus `by`, or the last timestamp if the sum is out of range.
#[must_use]
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// `at` minus `by`, or the first timestamp if the result is out of range.
#[must_use]
pub fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// The time from `earlier` to `later`; zero if `later` is not after `earlier`.
#[must_use]
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// A timestamp from microseconds since 1970, limited to the years that can be
/// written.
#[must_use]
pub fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// Measures how long something takes, by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the file that the ban points to")]
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
