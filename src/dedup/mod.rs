//! How a hook is recognised when it comes again: receipts, not locks.
//!
//! The marketplace gives its hooks no id and sends each up to eight times. What makes two deliveries the
//! same hook is therefore derived: the order it is about and the bytes ([`key`]). The first delivery leaves
//! a [`Receipt`] beside its effects, in the same commit, with the answer as bytes. Whoever delivers the same
//! again gets those bytes; of two at the same moment one commits, and the other meets a conflict, reads
//! the receipt, and answers from it. There is no "being processed" state that a crash could leave behind
//! and nobody waits for anybody. (docs/adr/0002-receipts-not-locks.md)
//!
//! What is recognised only by meaning (a re-sent order in other bytes) is for `orders` to judge: it keeps
//! its hooks for ever, so that forgetting a receipt ([`retention`]) costs a look-up and never a second order.

pub mod key;
mod reason;
mod receipt;
mod recent;
pub mod retention;

pub use reason::Reason;
pub use receipt::{Answer, Receipt, Verdict};
pub use recent::{Answered, Recent};
