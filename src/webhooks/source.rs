//! The registry of protocols for sources of orders.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};

use super::{Protocol, SOURCES, Verifier};
use crate::kernel::Tokens;

/// An entry of the list of protocols, `SOURCES`.
pub struct SourceSystem {
    /// The name in the configuration.
    pub name: &'static str,
    /// Creates the verifier from the source's tokens. None if the protocol does
    /// not define how senders authenticate.
    pub verifier: Option<fn(Tokens) -> Verifier>,
    /// Creates the protocol. The time zone is that of times without an offset.
    pub protocol: fn(Option<TimeZone>) -> Arc<dyn Protocol>,
    /// Whether its senders receive fulfilment updates: see `marketplace`.
    pub is_told: bool,
}

/// A protocol, looked up by its name in the configuration.
#[derive(Clone, Copy)]
pub struct SourceProtocol(&'static SourceSystem);

impl Deref for SourceProtocol {
    type Target = SourceSystem;

    fn deref(&self) -> &SourceSystem {
        self.0
    }
}

impl fmt::Debug for SourceProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<'de> Deserialize<'de> for SourceProtocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SourceProtocol, D::Error> {
        let name = String::deserialize(deserializer)?;
        SOURCES.iter().find(|system| system.name == name).map(SourceProtocol).ok_or_else(|| {
            let known = SOURCES.iter().map(|system| system.name).collect::<Vec<_>>().join(", ");
            serde::de::Error::custom(format!(
                "protocol: unknown value {name:?}, expected one of: {known}"
            ))
        })
    }
}
