//! How long receipts are kept.

use std::time::Duration;

use crate::kernel::Timestamp;
use crate::kernel::time::later;

/// How long receipts, settled messages and the raw bytes in them are kept unless a source says otherwise:
/// far longer than any sender retries, and long enough to settle a month's books with the raw hooks at hand.
pub const RETENTION_DAYS_DEFAULT: u32 = 90;

/// The shortest time that may be configured: longer than the seven retries of a marketplace that doubles its
/// gaps from an hour.
pub const RETENTION_DAYS_MIN: u32 = 7;
const _: () = assert!(RETENTION_DAYS_MIN >= 7 && RETENTION_DAYS_DEFAULT >= 90);

/// A number of days.
#[must_use]
pub fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

/// Whether something that came at `received_at` has been kept for its time.
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
