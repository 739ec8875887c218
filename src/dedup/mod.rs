//! Deduplication of hooks by idempotency records, without locks.
//!
//! The marketplace gives its hooks no id and sends each up to eight times. The
//! identity of a hook is therefore derived from its order and its bytes
//! ([`key`]). The first delivery stores an [`IdempotencyRecord`] together with
//! its effects, in the same commit, with the bytes of the answer. A duplicate
//! gets those bytes. Of two deliveries at the same moment, one commits. The
//! other one meets a conflict, reads the record, and answers from it. There is
//! no "being processed" state that a crash could leave behind, and no delivery
//! waits for another. (docs/adr/0002-receipts-not-locks.md)
//!
//! Duplicates that can be recognised only by meaning (an order sent again in
//! other bytes) are up to `orders`. An order keeps its hooks for ever, so
//! deleting a record ([`retention`]) costs a look-up but never creates a second
//! order.

mod idempotency;
mod journal;
pub mod key;
mod reason;
mod recent;
pub mod retention;
mod verdict;

pub use idempotency::{Answer, Answered, IdempotencyRecord};
pub use journal::{Copies, JournalEntry};
pub use reason::Reason;
pub use recent::{Recent, RecentHook};
pub use verdict::Verdict;
