//! The networks that a sender sends from. They prove little: see
//! [`Verifier::proves_sender`](super::Verifier::proves_sender).

use core::net::IpAddr;
use std::fmt;

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::AuthError;

/// A list of networks.
#[derive(Debug, Clone, Default)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Whether the list restricts nothing: it is empty, or one of the networks
    /// has all addresses.
    #[must_use]
    pub fn is_none_or_all(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|network| network.prefix_len() == 0)
    }

    /// Accepts an address in one of the networks.
    pub fn verify(&self, address: Option<IpAddr>) -> Result<(), AuthError> {
        // On an IPv6 socket an IPv4 address is mapped to IPv6.
        let address = address.map(|address| address.to_canonical());
        let is_its = |address: &IpAddr| self.0.iter().any(|network| network.contains(address));
        if address.as_ref().is_some_and(is_its) { Ok(()) } else { Err(AuthError::Network(address)) }
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Reads a list of networks from the configuration. A single address counts as
/// a network.
impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Networks, D::Error> {
        let network = |text: String| {
            let one = || text.trim().parse::<IpAddr>().ok().map(IpNet::from);
            let found = text.trim().parse::<IpNet>().ok().or_else(one);
            found.ok_or_else(|| {
                D::Error::custom(format!(
                    "{text:?} is neither a network (10.0.0.0/8) nor an address (10.0.0.1)"
                ))
            })
        };
        Vec::<String>::deserialize(deserializer)?
            .into_iter()
            .map(network)
            .collect::<Result<_, _>>()
            .map(Networks)
    }
}
