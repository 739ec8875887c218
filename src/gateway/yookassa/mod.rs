//! YooKassa, API v3: Basic authentication, idempotence keys, a redirect to the payment page, capture in one step or two.
//!
//! It differs from Invoicebox where a gateway can go wrong: it knows no number of ours (ours travels in `metadata`, and
//! is looked for in the list of what was made since), a key that is used again gets the first answer again, a payment that
//! waits for its buyer cannot be called off but dies by itself within the hour, and its notifications prove nothing:
//! `webhooks/yookassa` takes them as a hint to look.
//!
//! - [`client`]: calls, and what their outcomes mean;
//! - `wire`: the forms on the wire;
//! - `map`: between them and ours.

mod client;
mod map;
mod wire;

pub use client::{ANSWER_BYTES_MAX, CALL_SECONDS_MAX, Setup, Yookassa};
