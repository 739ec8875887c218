//! Test systems for the gateway. Nothing here runs in production.
//!
//! - [`sandbox`]: a payment system with the APIs of Invoicebox and YooKassa,
//!   which fails on request;
//! - [`demo`]: a marketplace, a chat and a site, and the scenarios that
//!   `tillgate demo` plays with them;
//! - [`mailbox`]: a mail server that keeps the letters;
//! - [`cluster`]: several receivers behind nginx, on this machine;
//! - [`bench`]: measures how fast hooks are acknowledged.

pub mod bench;
pub mod cluster;
pub mod demo;
pub mod mailbox;
pub mod sandbox;
