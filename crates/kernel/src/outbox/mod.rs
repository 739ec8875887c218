//! The outbox: what is to be told to the outside is stored with its cause, and sent afterwards.
//!
//! A [`Message`] goes into the batch that causes it, and lies in the store as a [`Delivery`], a document like any other, with
//! an index beside it that the engines keep: pending messages by lane, queue and due time, and dead ones. A
//! worker takes what is due of its [`Lane`] by a [`Claim`]. A claim is a lease and not a state: nothing is written, and a
//! process that dies gives its claims back by dying. What is written is the [`Settlement`], in the same batch as what it
//! caused, and only under the lease that the claim was given.
//!
//! Whoever owns messages declares their lane; `flows::stored` lists all. Everything here is pure: the engines in `store`
//! keep it, and `workers` send.

mod claim;
mod delivery;
mod lane;
mod message;

pub use claim::{Claim, Claimed, Ticket};
pub use delivery::{Delivery, DeliveryState, Settlement, message_key};
pub use lane::{Lane, Ordering};
pub use message::{Message, MessageId, NotAMessageId};
