//! A small environment around the gateway: a marketplace that retries, a chat
//! that can fail, and the scenarios that `tillgate demo` plays with them. Tests
//! use the same environment.

pub mod chat;
mod device;
mod goods;
pub mod marketplace;
mod narrator;
mod paying;
pub mod payments;
pub mod public;
pub mod shop;
pub mod site;
pub mod story;
pub mod world;
