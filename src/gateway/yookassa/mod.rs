//! YooKassa, API v3: Basic authentication, idempotence keys, a redirect to the payment page, capture in one step or two.
//!
//! It differs from Invoicebox where a gateway can go wrong: it knows no number of ours (ours travels in `metadata`, and
//! is looked for in the list of what was made since), a key that is used again gets the first answer again, a payment that
//! waits for its buyer cannot be called off but dies by itself within the hour, and its notifications prove nothing:
//! [`notices`] takes them as a hint to look.
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

pub use client::{Setup, Yookassa};
pub use section::Section;
