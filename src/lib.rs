//! tillgate: a gateway between order marketplaces, merchants' sites and payment
//! systems.
//!
//! In reading order:
//!
//! - [`kernel`]: exact amounts, times, identities, secrets; [`outbox`]:
//!   messages;
//! - [`orders`]: what an order is, and what a hook does to it;
//! - [`payments`]: what is owed, and which payment pays it;
//! - [`dedup`]: how a duplicate of a hook is recognised;
//! - [`webhooks`]: the senders' protocols;
//! - [`store`]: where data is stored, and what "durable" means;
//! - [`notify`]: the messages to people, and their channels;
//! - [`peer`]: how other systems are called;
//! - [`gateway`]: the payment systems;
//! - [`marketplace`]: how fulfilment updates are sent to marketplaces;
//! - [`flows`]: the use cases, each a read, a decision and a commit;
//! - [`workers`]: background work after the commit;
//! - [`http`]: the HTTP server;
//! - [`config`], [`telemetry`]: settings in, logs and metrics out;
//! - [`texts`], [`views`]: texts for people, and what APIs show;
//! - [`app`]: the one place where all of it is put together;
//! - [`cli`]: the command line; `tillgate_lab`: simulated peers for
//!   demonstrations and tests.
//!
//! ARCHITECTURE.md describes the design; docs/adr records the reasons.

pub use tillgate_kernel as kernel;
pub use tillgate_kernel::outbox;
pub use tillgate_peer as peer;
pub use tillgate_store as store;

pub mod dedup;
pub mod orders;
pub mod payments;

pub mod webhooks;

pub mod gateway;
pub mod marketplace;
pub mod notify;

pub mod flows;
pub mod workers;

pub mod config;
pub mod http;
pub mod telemetry;
pub mod texts;
pub mod views;

pub mod app;
pub mod cli;
