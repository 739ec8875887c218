//! How far this machine's clock is from the store's, which all receivers share.
//!
//! A receiver whose own clock is wrong must not say of the senders' that they are: it would put hooks out of their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::Shop;
use crate::kernel::{Timestamp, clock_skew};
use crate::store::Unavailable;

/// How far this machine's clock is ahead of the store's, in milliseconds; as it was measured last.
#[derive(Debug, Clone, Default)]
pub struct ClockSkew(Arc<AtomicI64>);

impl ClockSkew {
    /// How far this machine's clock is off, if that is too far to judge anybody else's by it.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        clock_skew::trouble(self.0.load(Ordering::Relaxed))
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
