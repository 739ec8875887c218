//! How far this machine's clock is from the store's, which all receivers share.
//!
//! A receiver whose own clock is wrong must not say of the senders' that they are: it would put hooks out of their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::kernel::clock_skew;

/// How far this machine's clock is ahead of the store's, in milliseconds; as it was measured last.
#[derive(Debug, Clone, Default)]
pub struct ClockSkew(pub(super) Arc<AtomicI64>);

impl ClockSkew {
    /// How far this machine's clock is off, if that is too far to judge anybody else's by it.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        clock_skew::trouble(self.0.load(Ordering::Relaxed))
    }
}
