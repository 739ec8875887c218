//! The protocols in which sources of orders speak.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};

use super::{Protocol, SOURCES, Verifier};
use crate::kernel::Tokens;

/// One of them, as the list of them has it.
pub struct SourceSystem {
    /// Its name in the configuration.
    pub name: &'static str,
    /// How its senders prove themselves, by the source's tokens; none where the protocol leaves that open.
    pub verifier: Option<fn(Tokens) -> Verifier>,
    /// How it is read and answered. Times without an offset are in the zone.
    pub protocol: fn(Option<TimeZone>) -> Arc<dyn Protocol>,
    /// Whether its senders hear how far their orders are: see `marketplace`.
    pub is_told: bool,
}

/// The protocol of a source, by its name.
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
            serde::de::Error::custom(format!("protocol: {name:?} is not known, only {known}"))
        })
    }
}
