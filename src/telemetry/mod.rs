//! What tillgate reports about itself: logs and metrics.

pub mod logs;
pub mod metrics;
