//! Invoicebox, API v3 (and `l3`, the same under another prefix).
//!
//! - `section`: the configuration section;
//! - [`client`]: calls, and the meaning of their outcomes;
//! - [`notifications`]: notifications that it sends;
//! - `wire`: the types of the API;
//! - `map`: conversion between those types and ours.

mod client;
mod map;
pub mod notifications;
mod section;
mod wire;

pub use client::{Invoicebox, Setup, Version};
pub use map::MethodIds;
pub use section::Section;
