//! Reading what somebody else writes, so that a mistake of theirs spoils nothing but itself.
//!
//! Senders differ in types (a shop's id is a number in one and a string in another), many fields may be missing, null or empty,
//! and new ones appear. So an object is split into its [`Fields`] without reading them, and each field is read by whoever
//! needs it. Numbers keep the sender's digits and never become floats. What cannot be read is left out and leaves a note in
//! [`Notes`]: it costs that field, not the order.
//!
//! Every protocol of order hooks reads with these; what a field is called is the protocol's own knowledge.

mod document;
mod fields;
mod notes;

pub use document::object_in;
pub use fields::{Fields, Value};
pub use notes::Notes;
