//! YooKassa's notifications. They are not signed. Only those from the payment
//! system's networks are read, and even they prove nothing: they are a hint to
//! ask the payment system itself.

mod wire;

use crate::dedup::Answer;
use crate::payments::NotificationVerdict;
use crate::webhooks::verify::Networks;
use crate::webhooks::{Inbound, Outcome, Protocol, Readable, Rejection, RejectionKind};

/// The networks that notifications come from, according to YooKassa's
/// documentation.
const NETWORKS: [&str; 7] = [
    "185.71.76.0/27",
    "185.71.77.0/27",
    "77.75.153.0/25",
    "77.75.154.128/25",
    "77.75.156.11/32",
    "77.75.156.35/32",
    "2a02:5180::/32",
];

/// The [`Protocol`] of YooKassa's notifications.
#[derive(Debug)]
pub struct Yookassa;

/// The default networks, parsed.
///
/// # Panics
/// If one of the constants is not a network. A test parses them all.
pub fn networks() -> Networks {
    Networks(NETWORKS.iter().map(|network| network.parse().expect("a network")).collect())
}

/// YooKassa reads only the HTTP status. The body is for people.
fn answer(status: u16, text: &str) -> Answer {
    let body = serde_json::json!({"status": text}).to_string();
    Answer { status, content_type: "application/json".into(), body }
}

fn judged(judgement: &NotificationVerdict, may_become_known: bool) -> Answer {
    match judgement {
        // YooKassa sends a notification again unless the answer is 200.
        NotificationVerdict::NotFound if may_become_known => answer(503, "payment not known yet"),
        NotificationVerdict::Pays(_)
        | NotificationVerdict::PaysOld(..)
        | NotificationVerdict::Repeated(_)
        | NotificationVerdict::AlreadyPaid(_)
        | NotificationVerdict::WrongAmount(_)
        | NotificationVerdict::WrongCurrency(_)
        | NotificationVerdict::NotFound
        | NotificationVerdict::NotOurs
        | NotificationVerdict::Stranger(_)
        | NotificationVerdict::OtherOrder(_)
        | NotificationVerdict::Recorded(_) => answer(200, "ok"),
    }
}

impl Protocol for Yookassa {
    fn read<'a>(&'a self, body: &'a Readable<'_>) -> Result<Inbound<'a>, Rejection> {
        let unusable =
            |detail| Rejection { why: RejectionKind::Malformed, detail, event_type: None };
        wire::read(body.text()).map(Inbound::Payment).map_err(unusable)
    }

    fn answer(&self, outcome: Outcome<'_>) -> Option<Answer> {
        match outcome {
            Outcome::Payment { judgement, may_become_known } => {
                Some(judged(judgement, may_become_known))
            }
            Outcome::Test { .. } => Some(answer(200, "ok")),
            Outcome::Unauthenticated => {
                Some(answer(403, "not from a network of the payment system"))
            }
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
    fn only_its_own_networks_are_accepted() {
        let verifier = Verifier::Networks(networks());
        let headers = http::HeaderMap::new();
        let from = |address: Option<&str>| {
            let address = address.map(|address| address.parse().expect("an address"));
            let sender = Sender { address, headers: &headers, now: Timestamp::UNIX_EPOCH };
            verifier.verify(sender, b"{}").is_ok()
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
