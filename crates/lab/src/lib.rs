//! The laboratory: what the gateway is tried with. None of it stands in production.
//!
//! - [`sandbox`]: a payment system that speaks as Invoicebox and as YooKassa, and misbehaves when told to;
//! - [`demo`]: a marketplace, a chat and a site, and the stories that `tillgate demo` tells with them;
//! - [`cluster`]: many receivers behind nginx, on this machine;
//! - [`bench`]: how fast hooks are acknowledged.

pub mod bench;
pub mod cluster;
pub mod demo;
pub mod sandbox;
