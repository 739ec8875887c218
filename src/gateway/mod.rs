//! Payment systems: one trait, and a folder for each.
//!
//! A [`Provider`] builds the request for a bill, sends it, looks for orders
//! that were sent, and updates and cancels them. It stores nothing and decides
//! nothing: it reports the outcome of each call in the types of
//! [`payments`](crate::payments), which distinguish "certainly not done" from
//! "outcome unknown". The tests in `conformance` define what every provider
//! must do; they run each one against its sandbox.
//!
//! Each folder also reads the notifications of its payment system, by the rules
//! of [`webhooks`](crate::webhooks).

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
pub(in crate::gateway) use failure::{one_line, retry_after_in};
pub use provider::{Addresses, Call, Provider};
pub use section::Gateway;
use section::System;

/// All payment systems. Each is a module, declared above, and a line here.
const SYSTEMS: &[System] =
    &[System::of::<invoicebox::Section>(), System::of::<yookassa::Section>()];

/// The longest timeout that a payment system may have for one call, in seconds.
pub const CALL_SECONDS_MAX: u64 = 35;
