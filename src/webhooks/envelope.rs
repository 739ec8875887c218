//! The envelope of a hook, which is read before its content, and the reasons
//! why a hook cannot be used.

use std::fmt;

use crate::kernel::ExternalId;
use crate::orders::{EventKind, Report};

/// What a hook is about, according to its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The sender's name of the kind.
    pub event_type: String,
    /// Our kind. None for kinds that do not concern us.
    pub kind: Option<EventKind>,
    /// The sender's order number. Hooks of kinds that concern us always have
    /// one.
    pub external_id: Option<ExternalId>,
}

/// Why a hook cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub why: RejectionKind,
    /// Describes the problem and its place, for people.
    pub detail: String,
    /// The sender's name of the kind, if it could be read.
    pub event_type: Option<String>,
}

/// The kinds of unusable hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// The body is not JSON, or its envelope is invalid.
    Malformed,
    /// The hook has no usable order number.
    NoOrderNumber,
    /// The body exceeds the size limit.
    TooLarge,
    /// The body has an unsupported compression or media type.
    UnsupportedForm,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// A hook whose envelope has been read.
pub trait Reading: Send + Sync {
    /// Parses the rest. It cannot fail: a field that is not understood is left
    /// out, with a note. To reject a hook because of the type of a comment
    /// would lose the order.
    fn report(&self) -> Report;
}
