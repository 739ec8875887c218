//! The outbox: messages to the outside are stored with their cause, and sent
//! afterwards.
//!
//! A [`Message`] is part of the batch that causes it. The store keeps it as a
//! [`Delivery`], a document like any other. The engines also keep an index:
//! pending messages by lane, queue and due time, and dead letters. A worker
//! gets the due messages of its [`Lane`] by a [`Claim`]. A claim is a lease and
//! not a state: nothing is written, and when a process dies, its claims end by
//! themselves. The [`Settlement`] is written, in the same batch as its effects,
//! and only under the lease of that claim.
//!
//! The module that owns messages declares their lane; `flows::stored` lists all
//! lanes. Everything here is pure: the engines in `store` keep it, and
//! `workers` send.

mod claim;
mod delivery;
mod lane;
mod message;

pub use claim::{Claim, Claimed, Ticket};
pub use delivery::{Delivery, DeliveryState, Settlement, message_key};
pub use lane::{Lane, Lanes, Ordering};
pub use message::{Message, MessageId, NotAMessageId};
