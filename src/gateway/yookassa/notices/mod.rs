//! YooKassa's notifications: signed by nobody. Only those from the payment system's networks are read, and even they
//! prove nothing: what they say is taken as a hint to ask the payment system itself.

mod wire;

use crate::dedup::Answer;
use crate::payments::Judgement;
use crate::webhooks::verify::Networks;
use crate::webhooks::{Inbound, Outcome, Protocol, Readable, Rejection, RejectionKind};

/// The networks that notifications come from, by the payment system's documents.
const NETWORKS: [&str; 7] = [
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
pub struct Yookassa;

/// The same, to be compared with.
///
/// # Panics
/// When one of them is no network: a test reads them all.
pub fn networks() -> Networks {
    Networks(NETWORKS.iter().map(|network| network.parse().expect("a network")).collect())
}

/// The status is all that the sender reads.
fn answer(status: u16, said: &str) -> Answer {
    let body = serde_json::json!({"status": said}).to_string();
    Answer { status, content_type: "application/json".into(), body }
}

fn judged(judgement: &Judgement, may_become_known: bool) -> Answer {
    match judgement {
        // Anything but 200 and it comes again.
        Judgement::NotFound if may_become_known => answer(503, "not known yet"),
        Judgement::Pays(_)
        | Judgement::PaysOld(..)
        | Judgement::Repeated(_)
        | Judgement::AlreadyPaid(_)
        | Judgement::WrongAmount(_)
        | Judgement::WrongCurrency(_)
        | Judgement::NotFound
        | Judgement::NotOurs
        | Judgement::Stranger(_)
        | Judgement::OtherOrder(_)
        | Judgement::Recorded(_) => answer(200, "ok"),
    }
}

impl Protocol for Yookassa {
    fn read<'a>(&'a self, body: &'a Readable<'_>) -> Result<Inbound<'a>, Rejection> {
        let unusable = |detail| Rejection { why: RejectionKind::Malformed, detail, event_type: None };
        wire::read(body.text()).map(Inbound::Payment).map_err(unusable)
    }

    fn answer(&self, outcome: Outcome<'_>) -> Option<Answer> {
        match outcome {
            Outcome::Payment { judgement, may_become_known } => Some(judged(judgement, may_become_known)),
            Outcome::Test { .. } => Some(answer(200, "ok")),
            Outcome::Unauthenticated => Some(answer(403, "not from the payment system's networks")),
            Outcome::Unusable(rejection) => Some(answer(400, &rejection.detail)),
            Outcome::Unavailable => Some(answer(503, "try again later")),
            Outcome::Order { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Timestamp;
    use crate::webhooks::{Sender, Verifier};

    #[test]
    fn only_its_own_networks_are_heard() {
        let verifier = Verifier::Networks(networks());
        let headers = http::HeaderMap::new();
        let from = |address: Option<&str>| {
            let address = address.map(|address| address.parse().expect("an address"));
            let sender = Sender { address, headers: &headers, now: Timestamp::UNIX_EPOCH };
            verifier.verify(sender, b"{}").is_ok() && verifier.refuse_early(sender).is_ok()
        };
        for address in ["185.71.76.1", "77.75.156.35", "::ffff:185.71.76.1", "2a02:5180::1"] {
            assert!(from(Some(address)), "{address}");
        }
        for address in ["185.71.76.32", "77.75.156.12", "127.0.0.1", "2a02:5181::1", "::1"] {
            assert!(!from(Some(address)), "{address}");
        }
        assert!(!from(None) && !verifier.proves_sender());
    }
}
