//! What happens after the commit, each a loop that ends when it is told to drain.
//!
//! - [`courier`] takes pickers' messages from the outbox to their chats: claim, act, settle;
//! - [`collector`] looks after payments at the payment systems, [`herald`] tells merchants' sites, [`envoy`] the marketplaces: the
//!   same way;
//! - [`attempts`] is how the collector and the envoy carry a call on that may or may not have arrived;
//! - [`dispatch`] is what these four share, and [`persistence`] how they get over a store that is away for a moment;
//! - [`reconciler`] finds hooks that never came, at the marketplace itself; [`notice_channel`] takes notifications by a WebSocket
//!   that we open;
//! - [`clock_watch`] compares this machine's clock with the store's;
//! - [`clerk`] notes copies of hooks in the journal;
//! - [`sweeper`] lets go of what has been kept for its time.

mod attempts;
pub mod clerk;
pub mod clock_watch;
pub mod collector;
pub mod courier;
pub mod dispatch;
pub mod envoy;
pub mod herald;
pub mod notice_channel;
mod persistence;
pub mod reconciler;
pub mod sweeper;
