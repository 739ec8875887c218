//! Detects when two clocks differ too much for their times to be compared.

use std::time::Duration;

use super::Timestamp;

/// The largest difference that is accepted.
pub const SKEW_MAX: Duration = Duration::from_secs(60);

/// Describes what is wrong if this machine's clock differs too much from the
/// store's clock.
#[must_use]
pub fn between(of_machine: Timestamp, of_store: Timestamp) -> Option<String> {
    trouble(of_machine.as_millisecond().saturating_sub(of_store.as_millisecond()))
}

/// The same for a difference in milliseconds. It is positive if this machine's
/// clock is ahead.
#[must_use]
pub fn trouble(milliseconds: i64) -> Option<String> {
    let is_off = u128::from(milliseconds.unsigned_abs()) > SKEW_MAX.as_millis();
    let direction = if milliseconds > 0 { "ahead of" } else { "behind" };
    is_off.then(|| {
        format!(
            "this machine's clock is {} s {direction} the store's: synchronize it, for instance \
             with an NTP service",
            milliseconds.unsigned_abs() / 1000
        )
    })
}
