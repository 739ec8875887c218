//! Where to listen, or where to connect to: a port, or a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// `127.0.0.1:8081`, or `unix:/run/tillgate/admin.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A port.
    Tcp(SocketAddr),
    /// A unix socket's file.
    Unix(PathBuf),
}

impl Endpoint {
    /// The path in `unix:PATH`; `None` for any other text.
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

/// Parses an address to listen on. Of a name with several addresses, such as
/// `localhost`, the first IPv4 address is used.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let found = text.trim().to_socket_addrs();
    let found: Vec<SocketAddr> = found
        .map_err(|why| {
            format!("{text:?} is not an address such as 127.0.0.1:8080 or localhost:8080: {why}")
        })?
        .collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("{text:?} has no address"))
}
