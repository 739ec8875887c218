//! Invoicebox, API v3 (and `l3`, the same under another prefix).
//!
//! - `section`: what the configuration says of it;
//! - [`client`]: calls, and what their outcomes mean;
//! - [`notices`]: what it tells us;
//! - `wire`: the forms on the wire;
//! - `map`: between them and ours.

mod client;
mod map;
pub mod notices;
mod section;
mod wire;

pub use client::{Invoicebox, Setup, Version};
pub use section::Section;
