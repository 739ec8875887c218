//! Storage for documents, the outbox and counters, behind one small set of
//! operations.
//!
//! A change is a value, a [`Batch`]: what its author expects of the stored
//! documents, and what it writes. [`Store::commit`] makes the whole batch
//! durable, or nothing of it. When an expectation no longer holds, it returns
//! [`CommitError::Conflict`], and the author reads again and decides again. The
//! engines know documents, messages and counters, but no orders: a new feature
//! needs no new code here. (docs/adr/0001-transactions-are-values.md)
//!
//! Every engine passes the tests in `conformance`. They are the contract of
//! this module.

mod batch;
mod engine;
mod error;
mod leases;
mod page;
mod place;
mod plan;
mod scan;
mod under_way;
pub mod unit;
mod workers;

pub mod copy;
pub mod dispatch;
pub mod memory;
pub mod persistence;
pub mod postgres;
pub mod sled;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod conformance;

pub use batch::{Batch, Body, Change, CounterChange, CounterKey, Expect, Floor, Stored};
use engine::ReadTrust;
pub use engine::{Condition, Store};
pub use error::{CommitError, Unavailable};
pub use scan::{Cursor, NotACursor, Page, Scan};
pub use under_way::Work;
pub use unit::Versioned;
