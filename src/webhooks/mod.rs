//! What others send us, as they speak: bytes in, our words out, and an answer in the sender's words.
//!
//! There is one way in for order hooks and payment notifications alike. A [`Verifier`] proves on the raw bytes who has sent
//! them, and may give the delivery's own id; a [`Protocol`] reads them and words the answer. Verifiers are written once and
//! named by the configuration; a protocol is a folder here. Each step is a pure function. Names and shapes of the sender end
//! at this module's edge.

mod authentic;
mod channel;
mod envelope;
mod protocol;
pub mod sm;
mod source;
pub mod tolerant;
pub mod verify;

pub use authentic::{Authentic, Readable};
pub use channel::{Asked, Call, CallOutcome, NotACall, NoticeChannel};
pub use envelope::{Identity, Reading, Rejection, RejectionKind};
pub use protocol::{Inbound, Outcome, Protocol, read_notice};
pub use source::{SourceProtocol, SourceSystem};
pub use verify::{AuthError, Sender, Verifier};

/// All protocols of sources of orders: each is a folder, declared above, and a line here.
const SOURCES: &[SourceSystem] = &[sm::SYSTEM];
