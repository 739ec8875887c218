//! Who is who: the names of configured parties, and the ids that others give.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a configured source of orders, payment system or merchant: `sm` in `[sources.sm]` and in `/hooks/sm`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartyName(String);

impl PartyName {
    /// Takes the name as it is; the configuration has checked it.
    #[must_use]
    pub fn new(name: impl Into<String>) -> PartyName {
        PartyName(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PartyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest order number of a sender that is accepted, in bytes.
///
/// Theirs are about eleven characters, or a retailer's name with a UUID; the marketplace itself cuts fields
/// at 255.
pub const EXTERNAL_ID_BYTES_MAX: usize = 255;

/// The sender's own number of an order: `H1234567890`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalId(String);

impl ExternalId {
    /// A usable number: not blank, not longer than [`EXTERNAL_ID_BYTES_MAX`], without control characters.
    /// Spaces around it are dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<ExternalId> {
        let text = text.trim();
        let usable =
            !text.is_empty() && text.len() <= EXTERNAL_ID_BYTES_MAX && !text.contains(char::is_control);
        usable.then(|| ExternalId(text.to_owned()))
    }

    /// The number as its sender writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether two ids of a peer's are the same: a UUID may be written in any case.
#[must_use]
pub fn same_id(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}
