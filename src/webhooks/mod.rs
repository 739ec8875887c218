//! Parsing of incoming requests: from the sender's bytes to our types, and back
//! to an answer in the sender's format.
//!
//! Order hooks and payment notifications take the same path. A [`Verifier`]
//! checks on the raw bytes who sent them, and may provide the delivery id. A
//! [`Protocol`] parses the bytes and builds the answer. Each verifier is
//! written once and selected in the configuration; each protocol is a module
//! here or in its payment system's folder. Every step is a pure function. The
//! sender's names and formats are not used outside of these modules.

mod authentic;
mod channel;
mod envelope;
mod protocol;
pub mod sm;
mod source;
pub mod tolerant;
pub mod verify;

pub use authentic::{Authentic, Readable};
pub use channel::{Call, CallOutcome, ChannelRequest, NotACall, NotificationChannel};
pub use envelope::{Identity, Reading, Rejection, RejectionKind};
pub use protocol::{Inbound, Outcome, Protocol, read_notification};
pub use source::{SourceProtocol, SourceSystem};
pub use verify::{AuthError, Sender, Verifier};

/// The protocols of all sources of orders. Each is a module, declared above,
/// and a line here.
const SOURCES: &[SourceSystem] = &[sm::SYSTEM];
