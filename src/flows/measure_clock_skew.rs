//! How far this machine's clock is from the store's, measured.

use std::sync::atomic::Ordering;

use super::Shop;
use crate::kernel::Timestamp;
use crate::store::Unavailable;

/// Compares the clocks.
pub async fn measure(shop: &Shop) -> Result<(), Unavailable> {
    let before = shop.clock.now();
    let Some(of_store) = shop.store.now().await? else { return Ok(()) };
    let after = shop.clock.now();
    // The store read its clock somewhere between the two.
    let middle = before.as_millisecond().midpoint(after.as_millisecond());
    let skew = middle.saturating_sub(Timestamp::as_millisecond(of_store));
    shop.clock_skew.0.store(skew, Ordering::Relaxed);
    Ok(())
}
