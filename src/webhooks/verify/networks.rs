//! The networks that a sender has. They prove little: see [`Verifier::proves_sender`](super::Verifier::proves_sender).

use core::net::IpAddr;

use ipnet::IpNet;

use super::AuthError;

/// The networks.
#[derive(Debug)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Believes what comes from one of them.
    pub fn verify(&self, address: Option<IpAddr>) -> Result<(), AuthError> {
        // An IPv4 sender on an IPv6 socket is the same sender.
        let address = address.map(|address| address.to_canonical());
        let is_its = |address: &IpAddr| self.0.iter().any(|network| network.contains(address));
        if address.as_ref().is_some_and(is_its) { Ok(()) } else { Err(AuthError::Network(address)) }
    }
}
