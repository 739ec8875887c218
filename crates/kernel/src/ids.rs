//! Identities: the names of configured parties, and the ids that other systems
//! assign.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a configured source of orders, payment system or merchant: `sm`
/// in `[sources.sm]` and in `/hooks/sm`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartyName(String);

impl PartyName {
    /// Wraps the name without checks; the configuration has already checked it.
    #[must_use]
    pub fn new(name: impl Into<String>) -> PartyName {
        PartyName(name.into())
    }

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

/// The longest external id that is accepted, in bytes.
///
/// External ids have about eleven characters, or are a retailer's name with a
/// UUID. The marketplace itself cuts fields at 255.
pub const EXTERNAL_ID_BYTES_MAX: usize = 255;

/// The sender's own number of an order: `H1234567890`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalId(String);

impl ExternalId {
    /// Checks a number: not blank, at most [`EXTERNAL_ID_BYTES_MAX`] bytes,
    /// without control characters. Surrounding spaces are dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<ExternalId> {
        let text = text.trim();
        let usable = !text.is_empty()
            && text.len() <= EXTERNAL_ID_BYTES_MAX
            && !text.contains(char::is_control);
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

/// Whether two ids of another system are the same. Case is ignored, because a
/// UUID may be written in any case.
#[must_use]
pub fn same_id(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}
