//! Measures the difference between this machine's clock and the store's clock.

use std::sync::atomic::Ordering;

use super::Services;
use crate::kernel::Timestamp;
use crate::store::Unavailable;

/// Compares the clocks and stores the difference.
pub async fn measure(services: &Services) -> Result<(), Unavailable> {
    let before = services.clock.now();
    let Some(of_store) = services.store.now().await? else { return Ok(()) };
    let after = services.clock.now();
    // The store read its clock somewhere between the two.
    let middle = before.as_millisecond().midpoint(after.as_millisecond());
    let skew = middle.saturating_sub(Timestamp::as_millisecond(of_store));
    services.clock_skew.0.store(skew, Ordering::Relaxed);
    Ok(())
}
