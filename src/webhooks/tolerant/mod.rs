//! Tolerant parsing of foreign JSON: a mistake in one field affects only that
//! field.
//!
//! Senders differ in types (a shop's id is a number for one and a string for
//! another), many fields can be missing, null or empty, and new ones appear. So
//! an object is split into its [`Fields`] without parsing them, and each field
//! is parsed only where it is needed. Numbers keep the sender's digits and
//! never become floats. A value that cannot be parsed is left out, with a note
//! in [`Notes`]: the field is lost, not the order.
//!
//! Every protocol of order hooks uses this module. The names of the fields are
//! up to the protocol.

mod document;
mod fields;
mod notes;
mod scan;

pub use document::Document;
pub use fields::{Fields, Value};
pub use notes::Notes;
