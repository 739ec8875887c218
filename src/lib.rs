//! tillgate: a gateway between order marketplaces, merchants' sites and payment systems.
//!
//! In reading order:
//!
//! - [`kernel`]: exact amounts, times, identities, secrets; [`outbox`]: messages;
//! - [`orders`]: what an order is, and what a hook does to it;
//! - [`payments`]: what is owed, and by which payment it is paid;
//! - [`dedup`]: how a hook is recognised when it comes again;
//! - [`webhooks`]: the senders' languages;
//! - [`store`]: where things are kept, and what "durable" means;
//! - [`notify`]: what people are told, and by which road;
//! - [`peer`]: how others are called;
//! - [`gateway`]: payment systems, one and all;
//! - [`marketplace`]: how marketplaces are told of their orders;
//! - [`flows`]: the use cases, each a read, a decision and a commit;
//! - [`workers`]: what happens after the commit;
//! - [`http`]: the edge;
//! - [`config`], [`telemetry`]: settings in, logs and figures out;
//! - [`app`]: the one place where all of it is put together;
//! - [`cli`]: the command line; `tillgate_lab`: a small world to show and test it in.
//!
//! ARCHITECTURE.md tells the story; docs/adr tells why.

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
