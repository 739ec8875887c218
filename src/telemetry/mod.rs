//! What tillgate says about itself: logs and figures.

pub mod logs;
pub mod metrics;
pub mod request_id;
mod seldom;

pub use self::seldom::Seldom;
