//! Time as an argument: a clock that tests can set, and the one place that reads the system's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use jiff::Timestamp;
/// Where the present time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's wall clock.
    System,
    /// The system's wall clock, and wrong by this many seconds: for tests.
    Wrong(i64),
    /// A clock that stands still until it is moved: for tests.
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A clock that stands at `at`.
    #[must_use]
    pub fn manual(at: Timestamp) -> Clock {
        Clock::Manual(Arc::new(Mutex::new(at)))
    }

    /// The present time, to the microsecond, which is what the store keeps.
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

    /// Moves a manual clock; the system's is left alone.
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

/// A clock that never runs back, and that nobody can set: it begins with a wall clock, or with what one like it has shown
/// before if that is later, and goes on by itself.
#[derive(Clone, Debug)]
pub struct SteadyClock {
    clock: Clock,
    began_at: Timestamp,
    since: Stopwatch,
}

impl SteadyClock {
    /// A clock that shows no time before `shown`.
    #[must_use]
    pub fn start(clock: Clock, shown: Timestamp) -> SteadyClock {
        let began_at = clock.now().max(shown);
        SteadyClock { clock, began_at, since: Stopwatch::start() }
    }

    /// The present time.
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

/// `at` moved on by `by`, stopping at the end of time instead of failing.
#[must_use]
pub fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// `at` moved back by `by`, stopping at the beginning of time instead of failing.
#[must_use]
pub fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// How long after `earlier` the moment `later` is; nothing when it is not after it.
#[must_use]
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// A timestamp from microseconds since 1970, held to the years that can be written.
#[must_use]
pub fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Measures how long something took, on the clock that never jumps.
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
