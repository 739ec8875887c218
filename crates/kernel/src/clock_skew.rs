//! When two clocks are too far apart for one to judge by the other.

use std::time::Duration;

use super::Timestamp;

/// How far they may be apart.
pub const SKEW_MAX: Duration = Duration::from_secs(60);

/// What is wrong with this machine's clock, beside the store's, if it is too far off.
#[must_use]
pub fn between(of_machine: Timestamp, of_store: Timestamp) -> Option<String> {
    trouble(of_machine.as_millisecond().saturating_sub(of_store.as_millisecond()))
}

/// The same for a difference in milliseconds, more than 0 where this machine's clock is ahead.
#[must_use]
pub fn trouble(milliseconds: i64) -> Option<String> {
    let is_off = u128::from(milliseconds.unsigned_abs()) > SKEW_MAX.as_millis();
    let direction = if milliseconds > 0 { "ahead of" } else { "behind" };
    is_off.then(|| {
        format!(
            "this machine's clock is {} s {direction} the store's: set it, for instance by an NTP service",
            milliseconds.unsigned_abs() / 1000
        )
    })
}
