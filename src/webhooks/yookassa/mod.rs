//! YooKassa's notifications: signed by nobody. Only those from the payment system's networks are read, and even they
//! prove nothing: what they say is taken as a hint to ask the payment system itself.

mod wire;

use core::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use super::{Authentic, Forged, NoticeProtocol, Readable};
use crate::dedup::Answer;
use crate::payments::{Judgement, Notice};

/// The networks that notifications come from, by the payment system's documents.
pub const NETWORKS: [&str; 7] = [
    "185.71.76.0/27",
    "185.71.77.0/27",
    "77.75.153.0/25",
    "77.75.154.128/25",
    "77.75.156.11/32",
    "77.75.156.35/32",
    "2a02:5180::/32",
];

/// The protocol.
#[derive(Debug)]
pub struct Yookassa {
    networks: Vec<IpNet>,
}

impl Yookassa {
    /// Takes notifications that come from these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Yookassa {
        Yookassa { networks }
    }
}

/// The status is all that the sender reads.
fn answer(status: u16, said: &str) -> Answer {
    let body = serde_json::json!({"status": said}).to_string();
    Answer { status, content_type: "application/json".into(), body }
}

impl NoticeProtocol for Yookassa {
    fn refuse_early(&self, address: Option<IpAddr>, _: &HeaderMap) -> Option<Forged> {
        // An IPv4 sender on an IPv6 socket is the same sender.
        let address = address.map(|address| address.to_canonical());
        let is_its = |address| self.networks.iter().any(|network| network.contains(address));
        (!address.as_ref().is_some_and(is_its)).then_some(Forged::Elsewhere(address))
    }

    fn proves_sender(&self) -> bool {
        false
    }

    fn verify<'a>(
        &self,
        address: Option<IpAddr>,
        headers: &HeaderMap,
        body: &'a [u8],
    ) -> Result<Authentic<'a>, Forged> {
        self.refuse_early(address, headers).map_or(Ok(Authentic { body }), Err)
    }

    fn read(&self, notice: &Readable<'_>) -> Result<Notice, String> {
        wire::read(notice.text())
    }

    fn judged(&self, judgement: &Judgement, may_become_known: bool) -> Answer {
        match judgement {
            // Anything but 200 and it comes again.
            Judgement::NotFound(_) if may_become_known => answer(503, "not known yet"),
            Judgement::Pays(_)
            | Judgement::PaysOld(..)
            | Judgement::Repeated(_)
            | Judgement::AlreadyPaid(_)
            | Judgement::WrongAmount(_)
            | Judgement::WrongCurrency(_)
            | Judgement::NotFound(_)
            | Judgement::NotOurs(_)
            | Judgement::Stranger(_)
            | Judgement::OtherOrder(_)
            | Judgement::Recorded(_) => answer(200, "ok"),
        }
    }

    fn tested(&self, _: bool) -> Answer {
        answer(200, "ok")
    }

    fn forged(&self) -> Answer {
        answer(403, "not from the payment system's networks")
    }

    fn unreadable(&self, why: &str) -> Answer {
        answer(400, why)
    }

    fn unavailable(&self) -> Answer {
        answer(503, "try again later")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_networks_are_heard() {
        let networks = NETWORKS.map(|network| network.parse().expect("a network")).into();
        let protocol = Yookassa::new(networks);
        let from = |address: &str| {
            let address = Some(address.parse().expect("an address"));
            protocol.verify(address, &HeaderMap::new(), b"{}").is_ok()
        };
        for address in ["185.71.76.1", "77.75.156.35", "::ffff:185.71.76.1", "2a02:5180::1"] {
            assert!(from(address), "{address}");
        }
        for address in ["185.71.76.32", "77.75.156.12", "127.0.0.1", "2a02:5181::1", "::1"] {
            assert!(!from(address), "{address}");
        }
        assert!(protocol.verify(None, &HeaderMap::new(), b"{}").is_err());
    }
}
