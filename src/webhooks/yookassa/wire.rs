//! The notification's form, as far as it is read: which payment or refund it is about.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::kernel::Money;
use crate::kernel::json::{self, Object};
use crate::payments::{Notice, NoticeStatus};

/// Where our number travels, as the gateway's requests have it.
const NUMBER: &str = "tillgate_number";

#[derive(Deserialize)]
struct Notification {
    event: String,
    #[serde(deserialize_with = "json::object")]
    object: Subject,
}

/// A payment, or a refund, which bears no recipient.
#[derive(Deserialize)]
struct Subject {
    id: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    recipient: Option<Recipient>,
}

#[derive(Deserialize)]
struct Recipient {
    account_id: String,
}

/// Reads a notification; the error says what is the matter.
pub fn read(body: &[u8]) -> Result<Notice, String> {
    let Object(Notification { event, object }) =
        serde_json::from_slice(body).map_err(|why| format!("it is not a notification: {why}"))?;
    Ok(Notice {
        remote_id: object.id,
        number: object.metadata.get(NUMBER).cloned().unwrap_or_default(),
        account: object.recipient.map(|recipient| recipient.account_id),
        amount: Money::ZERO,
        currency: None,
        // Whatever it says: it is no proof.
        status: NoticeStatus::Other(event),
        is_test: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_never_taken_for_a_payment() {
        let body = br#"{"type":"notification","event":"payment.succeeded","object":{"id":"22e12f66",
            "status":"succeeded","amount":{"value":"10.00","currency":"RUB"},"recipient":{"account_id":"1"},
            "metadata":{"tillgate_number":"482993011752-1"}}}"#;
        let notice = read(body).expect("readable");
        assert_eq!(notice.status, NoticeStatus::Other("payment.succeeded".into()));
        assert_eq!((notice.number.as_str(), notice.account.as_deref()), ("482993011752-1", Some("1")));
        let refund = br#"{"type":"notification","event":"refund.succeeded","object":{"id":"216749f7",
            "payment_id":"22e12f66","status":"succeeded","metadata":{"tillgate_number":"482993011752-1-2"}}}"#;
        let notice = read(refund).expect("readable");
        assert_eq!(notice.operation().map(|id| id.to_string()).as_deref(), Some("482993011752-1-2"));
        assert_eq!(notice.payment().map(|id| id.to_string()).as_deref(), Some("482993011752-1"));
        assert!(read(b"{}").is_err());
    }
}
