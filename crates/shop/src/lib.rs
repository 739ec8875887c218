//! The online shop: services that know each other's messages and HTTP
//! contracts, and nothing else.
//!
//! - [`auth`]: who buys: registration, passwords, sessions, roles;
//! - [`front`]: the buyers' pages.
//!
//! What services share:
//!
//! - [`form`] reads the fields of a request, and reports all faults of it;
//! - [`service_client`] calls another service;
//! - [`refusal`] has the errors of all services, with their texts;
//! - [`seal`] encrypts personal data with a key for each client.

#[cfg(test)]
mod access;
pub mod auth;
mod cookie;
pub mod form;
pub mod front;
pub mod refusal;
pub mod seal;
pub mod service_client;

pub use refusal::Refusal;
