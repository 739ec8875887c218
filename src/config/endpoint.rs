//! Where to listen, or where to reach what listens: a port, or a unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::listen_address;

/// `127.0.0.1:8081`, or `unix:/run/tillgate/admin.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A port.
    Tcp(SocketAddr),
    /// A unix socket's file.
    Unix(PathBuf),
}

impl Endpoint {
    /// The path in `unix:PATH`; none if it is not one.
    #[must_use]
    pub fn socket_path(text: &str) -> Option<PathBuf> {
        text.strip_prefix("unix:").filter(|path| !path.is_empty()).map(PathBuf::from)
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        match Endpoint::socket_path(text) {
            Some(path) => Ok(Endpoint::Unix(path)),
            None if text == "unix:" => Err("unix: needs the path of a socket".into()),
            None => listen_address(text).map(Endpoint::Tcp),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => write!(f, "{address}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Endpoint, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
