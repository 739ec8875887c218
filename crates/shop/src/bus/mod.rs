//! Messages between services. A message is stored in its sender's outbox, in
//! the batch that causes it, and carried to the inbox of the service that it is
//! for. It arrives at least once: a service recognises what it has done
//! already.
//!
//! - [`service`] names the services, and the lane of each one's inbox;
//! - [`envelope`] is a message as it is stored: its format and the sealed
//!   content;
//! - [`inbox`] is the loop that a service takes its messages with.

pub mod envelope;
pub mod inbox;
pub mod service;

pub use envelope::{Envelope, Format, Unreadable, message_id};
pub use inbox::{Consumer, Incoming, NotTaken, run_by};
pub use service::Service;
