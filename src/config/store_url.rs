//! The address of a store.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::kernel::Secret;

/// The address of a store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StoreUrl {
    /// In memory.
    Memory,
    /// In a directory.
    Sled(PathBuf),
    /// In a PostgreSQL database. The address may bear a password.
    Postgres(Secret),
}

impl StoreUrl {
    /// Identifies this store among others on this machine, and reveals nothing
    /// else about it.
    #[must_use]
    pub fn mark(&self) -> String {
        let whole = match self {
            StoreUrl::Sled(path) => {
                let path = path
                    .canonicalize()
                    .or_else(|_| std::path::absolute(path))
                    .unwrap_or_else(|_| path.clone());
                format!("sled:{}", path.display())
            }
            StoreUrl::Memory | StoreUrl::Postgres(_) => self.to_string(),
        };
        let hash = Sha256::digest(whole.as_bytes());
        hash.iter().take(MARK_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The length of a store's mark, in bytes.
const MARK_BYTES: usize = 8;

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<StoreUrl, String> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(StoreUrl::Memory),
            Some(("sled", path)) if !path.is_empty() => Ok(StoreUrl::Sled(path.into())),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(StoreUrl::Postgres(Secret::new(text)))
            }
            // The text is not quoted: it may contain a password.
            _ => Err("this is not a store address. Use \"sled:<directory>\", \
                      \"postgres://user@host/database\", or \"memory:\" for tests"
                .into()),
        }
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = String;

    fn try_from(text: String) -> Result<StoreUrl, String> {
        text.parse()
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::Memory => f.write_str("memory:"),
            StoreUrl::Sled(path) => write!(f, "sled:{}", path.display()),
            // Without the user and anything that may be a password.
            StoreUrl::Postgres(url) => {
                let (_, rest) = url.expose().split_once("//").unwrap_or_default();
                let place = rest.split('?').next().unwrap_or_default();
                write!(f, "postgres://{}", place.rsplit('@').next().unwrap_or_default())
            }
        }
    }
}
