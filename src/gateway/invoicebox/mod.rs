//! Invoicebox, API v3 (and `l3`, the same under another prefix).
//!
//! - [`client`]: calls, and what their outcomes mean;
//! - `wire`: the forms on the wire;
//! - `map`: between them and ours.

mod client;
mod map;
mod wire;

pub use client::{ANSWER_BYTES_MAX, CALL_SECONDS_MAX, Invoicebox, Setup, Version};
