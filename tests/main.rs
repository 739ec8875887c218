//! Tests that use tillgate from outside, in one binary.
//!
//! - `laws`: invariants that hold for every order, tested exhaustively;
//! - `stories`: the gateway over real HTTP, with a marketplace, a chat, sites
//!   and payment systems in the same process;
//! - `layers`: which module may import which;
//! - `measure`: limits on the size and the shape of the code.
#![allow(missing_docs, reason = "the names of tests describe them")]

mod laws;
mod layers;
mod measure;
mod stories;
mod world;
