//! A small world around the gateway: a marketplace that retries, a chat that can fail, and the story that
//! `tillgate demo` tells with them. Tests use the same world.

pub mod chat;
pub mod marketplace;
pub mod payments;
pub mod public;
pub mod site;
pub mod story;
mod teller;
pub mod world;
