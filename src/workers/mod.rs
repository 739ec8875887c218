//! What happens after the commit, each a loop that ends when it is told to drain.
//!
//! - [`courier`] takes messages from the outbox to their channels: claim, act, settle;
//! - [`clerk`] notes copies of hooks in the journal;
//! - [`sweeper`] lets go of what has been kept for its time.

pub mod clerk;
pub mod courier;
pub mod sweeper;
