//! The tests that see tillgate from outside, in one binary.
//!
//! - `laws`: what holds for every order whatever happens, by exhaustion;
//! - `stories`: the gateway over real HTTP in a small world of a marketplace and a chat;
//! - `layers`: which module may know which; `measure`: how large and how clear the code is.
#![allow(missing_docs, reason = "tests are read by their names")]

mod laws;
mod layers;
mod measure;
mod stories;
mod world;
