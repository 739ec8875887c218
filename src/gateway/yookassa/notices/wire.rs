//! The notification's form, as far as it is read: which payment or refund it is about.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::kernel::Money;
use crate::kernel::json::{self, Object};
use crate::payments::{Notice, NoticeStatus};

/// Where our number travels, as the gateway's requests have it.
const NUMBER: &str = "tillgate_number";

#[derive(Deserialize)]
struct Notification<'a> {
    event: String,
    #[serde(borrow, deserialize_with = "json::object")]
    object: Subject<'a>,
}

/// A payment, or a refund, which bears no recipient and names its payment. What others put into the fields that are theirs
/// has any shape.
#[derive(Deserialize)]
struct Subject<'a> {
    id: String,
    #[serde(borrow, default)]
    payment_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    recipient: Option<&'a RawValue>,
    #[serde(borrow, default)]
    created_at: Option<&'a RawValue>,
}

/// The text under `name` in an object; none where there is no such object or no such text.
fn text_in(object: Option<&RawValue>, name: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(object?.get()).ok()?;
    object.get(name)?.as_str().map(str::to_owned)
}

/// Reads a notification; the error says what is the matter.
pub fn read(body: &[u8]) -> Result<Notice, String> {
    let Object(Notification { event, object }) =
        serde_json::from_slice(body).map_err(|why| format!("it is not a notification: {why}"))?;
    let of_payment = object.payment_id.and_then(|id| serde_json::from_str(id.get()).ok());
    Ok(Notice {
        of_payment: Some(of_payment.unwrap_or_else(|| object.id.clone())),
        remote_id: object.id,
        number: text_in(object.metadata, NUMBER).unwrap_or_default(),
        account: text_in(object.recipient, "account_id"),
        amount: Money::ZERO,
        currency: None,
        // Whatever it says: it is no proof.
        status: NoticeStatus::Other(event),
        made_at: object.created_at.and_then(|at| serde_json::from_str(at.get()).ok()),
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
        assert_eq!(notice.of_payment.as_deref(), Some("22e12f66"));
        let refund = br#"{"type":"notification","event":"refund.succeeded","object":{"id":"216749f7",
            "payment_id":"22e12f66","status":"succeeded","metadata":{"tillgate_number":"482993011752-1-2"}}}"#;
        let notice = read(refund).expect("readable");
        assert_eq!(notice.operation().map(|id| id.to_string()).as_deref(), Some("482993011752-1-2"));
        assert_eq!(notice.payment().map(|id| id.to_string()).as_deref(), Some("482993011752-1"));
        assert_eq!(notice.of_payment.as_deref(), Some("22e12f66"));
        assert!(read(b"{}").is_err());
    }

    #[test]
    fn what_others_put_into_their_metadata_harms_nothing() {
        for metadata in [
            "null",
            "[]",
            "\"\"",
            "7",
            "{\"order_id\":37}",
            "{\"a\":{\"b\":[]}}",
            "{\"tillgate_number\":5}",
            "{\"tillgate_number\":null}",
        ] {
            for recipient in ["null", "{}", "[]", "{\"account_id\":5}"] {
                let body = format!(
                    r#"{{"event":"payment.succeeded","object":{{"id":"2d00","metadata":{metadata},"recipient":{recipient}}}}}"#
                );
                let notice = read(body.as_bytes()).unwrap_or_else(|why| panic!("{body}: {why}"));
                assert_eq!((notice.number.as_str(), notice.remote_id.as_str()), ("", "2d00"), "{body}");
            }
        }
    }
}
