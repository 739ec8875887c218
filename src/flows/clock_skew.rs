//! How far this machine's clock is from the store's, which all receivers share.
//!
//! A receiver whose own clock is wrong must not say of the senders' that they are: it would put hooks out of their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Shop;
use crate::kernel::Timestamp;
use crate::store::Unavailable;

/// How far the two may be apart before this machine's clock is not believed.
pub const SKEW_MAX: Duration = Duration::from_secs(60);

/// How far this machine's clock is ahead of the store's, in milliseconds; as it was measured last.
#[derive(Debug, Clone, Default)]
pub struct ClockSkew(Arc<AtomicI64>);

impl ClockSkew {
    /// How far this machine's clock is off, if that is too far to judge anybody else's by it.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let milliseconds = self.0.load(Ordering::Relaxed);
        let is_off = u128::from(milliseconds.unsigned_abs()) > SKEW_MAX.as_millis();
        let direction = if milliseconds > 0 { "ahead of" } else { "behind" };
        is_off.then(|| {
            format!(
                "this machine's clock is {} s {direction} the store's: set it, for instance by an NTP service",
                milliseconds.unsigned_abs() / 1000
            )
        })
    }
}

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
