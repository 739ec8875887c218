//! Ids of what is made here.

use tillgate_kernel::Timestamp;
use tillgate_kernel::chance::random_bytes;

/// An id as the payment system makes them: the time in milliseconds, then chance, in the layout of a UUID but without
/// its version.
pub fn new_id(now: Timestamp) -> String {
    let time = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let hex: String = random_bytes::<10>().iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = format!("{time:012x}{hex}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}
