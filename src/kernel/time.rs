//! Time as an argument: a clock that tests can set, and the one place that reads the system's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

/// Where the present time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's wall clock.
    System,
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
            Clock::Manual(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        };
        from_micros(now.as_microsecond())
    }

    /// Moves a manual clock; the system's is left alone.
    pub fn advance(&self, by: Duration) {
        match self {
            Clock::System => {}
            Clock::Manual(at) => {
                let mut at = at.lock().unwrap_or_else(PoisonError::into_inner);
                *at = later(*at, by);
            }
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

/// A moment with the offset in which its sender wrote it, so that people are shown the shop's own hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime {
    at: Timestamp,
    offset_seconds: i32,
}

impl LocalTime {
    /// Reads RFC 3339 with an offset (`2026-11-22T13:00:00+03:00`, also `Z`). A time without an offset is no
    /// moment and is refused, as is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<LocalTime> {
        let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text).ok()?;
        let offset = pieces.to_numeric_offset()?;
        let local = pieces.date().to_datetime(pieces.time()?);
        Some(LocalTime { at: offset.to_timestamp(local).ok()?, offset_seconds: offset.seconds() })
    }

    /// The moment itself.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.at
    }

    /// What a clock on the sender's wall showed.
    #[must_use]
    pub fn on_the_wall(self) -> DateTime {
        self.offset().to_datetime(self.at)
    }

    fn offset(self) -> Offset {
        Offset::from_seconds(self.offset_seconds).unwrap_or(Offset::UTC)
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minutes) =
            (if self.offset_seconds < 0 { '-' } else { '+' }, self.offset_seconds.abs() / 60);
        write!(f, "{}{sign}{:02}:{:02}", self.on_the_wall(), minutes / 60, minutes % 60)
    }
}

impl Serialize for LocalTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<LocalTime, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        LocalTime::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format_args!("{text:?} is not RFC 3339 with an offset")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_senders_time_keeps_its_offset() {
        for text in ["2026-11-22T13:00:00+03:00", "2026-11-22T13:00:00.25-05:30", "2026-11-22T13:00:00+00:00"]
        {
            let time = LocalTime::parse(text).expect(text);
            assert_eq!(time.to_string(), text);
        }
        let moscow = LocalTime::parse("2026-11-22T13:00:00+03:00").expect("a time");
        assert_eq!(moscow.timestamp(), "2026-11-22T10:00:00Z".parse().expect("a timestamp"));
        assert_eq!(LocalTime::parse("2026-11-22T13:00:00+0300"), Some(moscow));
        assert_eq!(LocalTime::parse("2026-11-22 13:00:00+03"), Some(moscow));
        assert!(LocalTime::parse("2026-11-22T10:00:00Z").is_some());
    }

    #[test]
    fn a_time_without_an_offset_is_no_moment() {
        for text in ["2026-11-22T13:00:00", "2026-11-22", "13:00", "", "yesterday", "2026-13-22T13:00:00Z"] {
            assert_eq!(LocalTime::parse(text), None, "{text:?}");
        }
    }
}
