//! What tillgate says about itself: logs and figures.

pub mod logs;
pub mod metrics;
