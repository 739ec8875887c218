//! The difference between this machine's clock and the store's clock, which all
//! receivers share.
//!
//! A receiver whose own clock is wrong must not conclude that the clocks of
//! senders are wrong: it would put hooks into the wrong order.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::kernel::clock_skew;

/// How far this machine's clock is ahead of the store's, in milliseconds, by
/// the last measurement.
#[derive(Debug, Clone, Default)]
pub struct ClockSkew(pub(super) Arc<AtomicI64>);

impl ClockSkew {
    /// Describes how far this machine's clock is off, if it is too far to check
    /// other clocks by it.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        clock_skew::trouble(self.0.load(Ordering::Relaxed))
    }
}
