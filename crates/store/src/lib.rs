//! Where things are kept: documents, the outbox, and counters, behind one small set of operations.
//!
//! A change is a value, a [`Batch`]: what its author believed and what it wants. [`Store::commit`] makes the
//! whole batch durable, or nothing of it; when a belief no longer holds it says [`CommitError::Conflict`],
//! and the author reads again and decides again. The engines know documents, messages and counters but no
//! orders: a new feature needs no new code here. (docs/adr/0001-transactions-are-values.md)
//!
//! Every engine passes the list in `conformance`, whose functions are this module's contract.

mod batch;
mod engine;
mod error;
mod leases;
mod page;
mod place;
mod plan;
mod scan;

pub mod copy;
pub mod memory;
pub mod postgres;
pub mod sled;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod conformance;

pub use batch::{Batch, Body, Bump, Change, CounterKey, Expect, Stored};
use engine::Belief;
pub use engine::{Condition, Store};
pub use error::{CommitError, Unavailable};
pub use scan::{Cursor, NotACursor, Page, Scan};
