//! YooKassa, API v3: Basic authentication, idempotence keys, a redirect to the
//! payment page, automatic or manual capture.
//!
//! It differs from Invoicebox in ways that matter for correctness:
//!
//! - It has no field for our number. The number is sent in `metadata`, and is
//!   looked for in the list of recent payments.
//! - A repeated idempotence key returns the first answer again.
//! - A payment that waits for its buyer cannot be cancelled, but expires by
//!   itself within the hour.
//! - Its notifications prove nothing: [`notifications`] takes them as a hint to
//!   ask the payment system.
//!
//! Modules:
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

pub use client::{Setup, Yookassa};
pub use section::Section;
