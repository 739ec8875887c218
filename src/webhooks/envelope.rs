//! What a hook says of itself before its content is read, and why one cannot be used.

use std::fmt;

use crate::kernel::ExternalId;
use crate::orders::{EventKind, Report};

/// What a hook is about, as far as its envelope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The kind, in the sender's word.
    pub event_type: String,
    /// The kind in ours; none for kinds that do not concern us.
    pub kind: Option<EventKind>,
    /// The sender's order number. Hooks of kinds that concern us always have one.
    pub external_id: Option<ExternalId>,
}

/// Why a hook cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What is the matter.
    pub why: RejectionKind,
    /// The same in words that say where.
    pub detail: String,
    /// The kind, if it could be read all the same.
    pub event_type: Option<String>,
}

/// The kinds of unusable hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// The body is not JSON, or its envelope is not what it should be.
    Malformed,
    /// It names no order.
    NoOrderNumber,
    /// It is longer than is read.
    TooLarge,
    /// It is packed in a way, or has a form, that is not read.
    UnsupportedForm,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// A hook whose envelope has been read.
pub trait Reading: Send + Sync {
    /// Reads the rest. It cannot fail: what is not understood is noted and left out, because turning a hook
    /// away over a comment's type would cost the order.
    fn report(&self) -> Report;
}
