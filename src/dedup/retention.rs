//! The retention of idempotency records.

use std::time::Duration;

use crate::kernel::Timestamp;
use crate::kernel::time::later;

/// The default retention of idempotency records, settled messages and the raw
/// bytes in them, in days. A source can set another one. It is far longer than
/// any sender retries, and long enough for the raw hooks to be available when a
/// month's accounts are settled.
pub const RETENTION_DAYS_DEFAULT: u32 = 90;

/// The shortest retention that can be configured, in days. It is longer than
/// the seven retries of a marketplace whose intervals double from one hour.
pub const RETENTION_DAYS_MIN: u32 = 7;
const _: () = assert!(RETENTION_DAYS_MIN >= 7 && RETENTION_DAYS_DEFAULT >= 90);

/// Converts a number of days to a duration.
#[must_use]
pub fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

/// Whether the retention `kept_for` of something received at `received_at` is
/// over.
#[must_use]
pub fn is_over(received_at: Timestamp, kept_for: Duration, now: Timestamp) -> bool {
    later(received_at, kept_for) <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_twenty_four_hours() {
        assert_eq!(days(90), Duration::from_secs(90 * 24 * 60 * 60));
    }
}
