//! Payment systems: one trait, and a folder for each.
//!
//! A [`Provider`] turns a bill into the request that is sent, sends it, looks for what was sent, alters it and calls it off. It
//! keeps nothing and decides nothing: what a call came to is reported in the words of
//! [`payments`](crate::payments), where the difference between "certainly not" and "nobody knows" is made. What
//! every provider must do is written down as tests in `conformance`, which run on each of them against its sandbox.
//!
//! Notifications, which come from the payment system, are read in its folder too, by the rules of
//! [`webhooks`](crate::webhooks).

mod breaker;
#[cfg(test)]
mod conformance;
mod failure;
pub mod invoicebox;
mod provider;
pub mod section;
pub mod yookassa;

pub use breaker::Breaker;
pub use failure::Failure;
pub(in crate::gateway) use failure::{one_line, wish_in};
pub use provider::{Addresses, Call, Provider};
pub use section::Gateway;
use section::System;

/// All payment systems: each is a folder, declared above, and a line here.
const SYSTEMS: &[System] = &[System::of::<invoicebox::Section>(), System::of::<yookassa::Section>()];

/// The longest deadline that a payment system may have for one call.
pub const CALL_SECONDS_MAX: u64 = 35;
