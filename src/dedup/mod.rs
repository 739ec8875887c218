//! How a hook is recognised when it comes again: idempotency records, not locks.
//!
//! The marketplace gives its hooks no id and sends each up to eight times. What makes two deliveries the
//! same hook is therefore derived: the order it is about and the bytes ([`key`]). The first delivery leaves
//! an [`IdempotencyRecord`] beside its effects, in the same commit, with the answer as bytes. Whoever delivers the same
//! again gets those bytes; of two at the same moment one commits, and the other meets a conflict, reads
//! the record, and answers from it. There is no "being processed" state that a crash could leave behind
//! and nobody waits for anybody. (docs/adr/0002-receipts-not-locks.md)
//!
//! What is recognised only by meaning (a re-sent order in other bytes) is for `orders` to judge: it keeps
//! its hooks for ever, so that forgetting a record ([`retention`]) costs a look-up and never a second order.

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
pub use recent::Recent;
pub use verdict::Verdict;
