//! Invoicebox's notifications: signed over the raw bytes, and always answered
//! with HTTP 200.

mod reply;
pub mod rpc;
mod wire;

use crate::dedup::Answer;
use crate::kernel::Secret;
use crate::kernel::signature::Algorithm;
use crate::webhooks::verify::{Encoding, SignedBody};
use crate::webhooks::{Inbound, Outcome, Protocol, Readable, Rejection, RejectionKind, Verifier};
use http::HeaderName;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-signature");

/// The [`Protocol`] of Invoicebox's notifications.
#[derive(Debug)]
pub struct Invoicebox;

/// The verifier of notifications: a hexadecimal HMAC with the shop's key.
#[must_use]
pub fn verifier(key: Secret, algorithm: Algorithm) -> Verifier {
    Verifier::SignedBody(SignedBody {
        header: SIGNATURE_HEADER,
        keys: vec![key],
        algorithm,
        encoding: Encoding::Hex,
        prefix: String::new(),
    })
}

impl Protocol for Invoicebox {
    fn read<'a>(&'a self, body: &'a Readable<'_>) -> Result<Inbound<'a>, Rejection> {
        let unusable =
            |detail| Rejection { why: RejectionKind::Malformed, detail, event_type: None };
        wire::read(body.text()).map(Inbound::Payment).map_err(unusable)
    }

    fn answer(&self, outcome: Outcome<'_>) -> Option<Answer> {
        match outcome {
            Outcome::Payment { judgement, may_become_known } => {
                Some(reply::judged(judgement, may_become_known))
            }
            Outcome::Test { is_ours: true } => Some(reply::success()),
            Outcome::Test { is_ours: false } => {
                Some(reply::error("order_not_found", "the test is for another shop"))
            }
            Outcome::Unauthenticated => {
                Some(reply::error("signature_error", "the signature does not match"))
            }
            // With this code it is sent again. The cause may be fixed by then.
            Outcome::Unusable(rejection) => Some(reply::error("out_of_service", &rejection.detail)),
            Outcome::Unavailable => Some(reply::error("out_of_service", "try again later")),
            Outcome::Order { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_notification_of_real_shape_is_read() {
        let body = include_bytes!("../../../../fixtures/invoicebox/notification-completed.json");
        let notification = super::wire::read(body).expect("a notification");
        assert_eq!(
            (notification.number.as_str(), notification.amount.to_string()),
            ("482993011752-1", "578.95".into())
        );
    }
}
