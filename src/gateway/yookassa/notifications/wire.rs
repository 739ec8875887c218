//! Parsing of notifications. Only the fields that identify the payment or
//! refund are read.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::kernel::Money;
use crate::kernel::json::{self, Object};
use crate::payments::{Notification, NotificationStatus};

/// The metadata key of our number. The requests to YooKassa use the same.
const NUMBER: &str = "tillgate_number";

#[derive(Deserialize)]
struct Envelope<'a> {
    event: String,
    #[serde(borrow, deserialize_with = "json::object")]
    object: Subject<'a>,
}

/// A payment or a refund. A refund has no recipient and names its payment. The
/// optional fields are raw, because those that other programs fill can have any
/// shape.
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

/// The string field `name` of an object. None if there is no such object or no
/// such string.
fn text_in(object: Option<&RawValue>, name: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(object?.get()).ok()?;
    object.get(name)?.as_str().map(str::to_owned)
}

/// Parses a notification. The error says what is wrong with it.
pub fn read(body: &[u8]) -> Result<Notification, String> {
    let Object(Envelope { event, object }) = serde_json::from_slice(body)
        .map_err(|why| format!("not a YooKassa notification: {why}"))?;
    let of_payment = object.payment_id.and_then(|id| serde_json::from_str(id.get()).ok());
    Ok(Notification {
        of_payment: Some(of_payment.unwrap_or_else(|| object.id.clone())),
        remote_id: object.id,
        number: text_in(object.metadata, NUMBER).unwrap_or_default(),
        account: text_in(object.recipient, "account_id"),
        amount: Money::ZERO,
        currency: None,
        // Never `Completed`, whatever the event: the notification is not
        // signed.
        status: NotificationStatus::Other(event),
        made_at: object.created_at.and_then(|at| serde_json::from_str(at.get()).ok()),
        is_test: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_never_counts_as_a_payment() {
        let body =
            br#"{"type":"notification","event":"payment.succeeded","object":{"id":"22e12f66",
            "status":"succeeded","amount":{"value":"10.00","currency":"RUB"},
            "recipient":{"account_id":"1"},"metadata":{"tillgate_number":"482993011752-1"}}}"#;
        let notification = read(body).expect("readable");
        assert_eq!(notification.status, NotificationStatus::Other("payment.succeeded".into()));
        assert_eq!(
            (notification.number.as_str(), notification.account.as_deref()),
            ("482993011752-1", Some("1"))
        );
        assert_eq!(notification.of_payment.as_deref(), Some("22e12f66"));
        let refund = br#"{"type":"notification","event":"refund.succeeded","object":{
            "id":"216749f7","payment_id":"22e12f66","status":"succeeded",
            "metadata":{"tillgate_number":"482993011752-1-2"}}}"#;
        let notification = read(refund).expect("readable");
        assert_eq!(
            notification.operation().map(|id| id.to_string()).as_deref(),
            Some("482993011752-1-2")
        );
        assert_eq!(
            notification.payment().map(|id| id.to_string()).as_deref(),
            Some("482993011752-1")
        );
        assert_eq!(notification.of_payment.as_deref(), Some("22e12f66"));
        assert!(read(b"{}").is_err());
    }

    #[test]
    fn foreign_metadata_of_any_shape_is_tolerated() {
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
                    r#"{{"event":"payment.succeeded","object":{{"id":"2d00",
                        "metadata":{metadata},"recipient":{recipient}}}}}"#
                );
                let notification =
                    read(body.as_bytes()).unwrap_or_else(|why| panic!("{body}: {why}"));
                assert_eq!(
                    (notification.number.as_str(), notification.remote_id.as_str()),
                    ("", "2d00"),
                    "{body}"
                );
            }
        }
    }
}
