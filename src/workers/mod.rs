//! Background work after the commit. Each worker is a loop that ends when it is
//! asked to drain.
//!
//! - [`picker_sender`] sends pickers' messages from the outbox to their chats:
//!   claim, send, settle;
//! - [`payment_worker`] advances payments at the payment systems,
//!   [`callback_sender`] calls merchants' sites, and [`update_sender`] sends
//!   fulfilment updates to marketplaces, all in the same way;
//! - [`attempts`] is how the payment worker and the update sender retry a call
//!   that may or may not have arrived;
//! - `store::dispatch` is the loop that these four share, and
//!   `store::persistence` how they wait for a store that is briefly
//!   unavailable;
//! - [`reconciler`] finds lost hooks at the marketplace itself;
//!   [`notification_channel`] receives notifications over a WebSocket that we
//!   open;
//! - [`clock_watch`] compares this machine's clock with the store's;
//! - [`duplicate_recorder`] records duplicates of hooks in the journal;
//! - [`sweeper`] deletes what is past its retention time.

mod attempts;
pub mod callback_sender;
pub mod clock_watch;
pub mod duplicate_recorder;
pub mod notification_channel;
pub mod payment_worker;
pub mod picker_sender;
pub mod quota_keeper;
pub mod reconciler;
pub mod survey;
pub mod sweeper;
pub mod update_sender;
