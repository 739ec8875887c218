//! Letters to clients. Each is kept as a notice before it is sent, so that what
//! has caused a letter causes one.
//!
//! - [`recipient`] is how to reach a client, [`wishes`] what the client wants
//!   to hear of; [`choose`] changes it;
//! - [`notice`] is the document of a letter;
//! - [`take`] takes messages of other services;
//! - [`letter`] words a letter; [`words`] has the texts;
//! - [`mailer`] hands letters to the mail server, [`sms`] short messages to a
//!   provider;
//! - [`sender`] sends what waits;
//! - [`contract`] describes the HTTP contract, and [`api`] serves it.

pub mod api;
pub mod choose;
pub mod contract;
pub mod letter;
pub mod mailer;
pub mod notice;
pub mod recipient;
pub mod sender;
pub mod sms;
#[cfg(test)]
mod stored;
pub mod take;
#[cfg(test)]
mod tests;
pub mod wishes;
mod words;

use tillgate_kernel::Clock;
use tillgate_store::Store;

use crate::seal::MasterKeys;

/// The service.
#[derive(Debug, Clone)]
pub struct Notification {
    pub store: Store,
    pub clock: Clock,
    pub keys: MasterKeys,
}
