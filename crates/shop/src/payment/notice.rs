//! The callbacks of the gateway: Standard Webhooks. They only say that
//! something has happened; what it is, is looked up.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::Mac;
use http::HeaderMap;
use serde::Deserialize;
use tillgate_kernel::signature::standard_mac;
use tillgate_kernel::time::between;
use tillgate_kernel::{Secret, Timestamp};

use super::Payment;
use super::attempt::{Known, Outcome, Stage};
use crate::Refusal;
use crate::order_id::OrderId;
use crate::payment_problem::PaymentProblem;

/// The most that the time of a callback and ours may differ.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The longest callback, in bytes.
pub const NOTICE_BYTES_MAX: usize = 1 << 20;

/// The event that a bank did not take what it held.
const CAPTURE_FAILED: &str = "capture.failed";

#[derive(Debug, Deserialize)]
struct Notice {
    #[serde(rename = "type")]
    event: String,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    merchant_order_id: Option<String>,
}

impl Payment {
    /// Takes a callback.
    ///
    /// # Errors
    /// When the gateway has not signed it, or its payment cannot be brought on.
    pub async fn take_notice(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let keys = &self.settings.callback_keys;
        if !is_signed(keys, headers, body, self.clock.now()) {
            tracing::warn!("a callback for the shop is not signed by the gateway");
            return Err(Refusal::Payment(PaymentProblem::BadSignature));
        }
        // A test callback, or one of a later version, is about no payment.
        let Ok(notice) = serde_json::from_slice::<Notice>(body) else { return Ok(()) };
        let named = notice.data.merchant_order_id.as_deref().and_then(payment_named);
        let Some((order, number)) = named else { return Ok(()) };
        if notice.event == CAPTURE_FAILED {
            self.capture_failed(order, number).await?;
        }
        self.look(order, number).await.map_err(Refusal::of_commit)
    }

    async fn capture_failed(&self, order: OrderId, number: u32) -> Result<(), Refusal> {
        let payment = self.payments_of(order).await?;
        let attempt = payment.as_ref().and_then(|known| known.attempt(number));
        let Some(attempt) = attempt.filter(|one| one.stage == Stage::Capturing) else {
            return Ok(());
        };
        let outcome = Outcome::Known(Known::CaptureRefused);
        self.learn(order, attempt, &outcome).await.map_err(Refusal::of_commit)
    }
}

/// The order and the number in the name of an attempt.
fn payment_named(name: &str) -> Option<(OrderId, u32)> {
    let (order, number) = name.split_once('-')?;
    Some((OrderId::parse(order)?, number.parse().ok()?))
}

/// Whether one of the keys has signed it, not long ago.
fn is_signed(keys: &[Secret], headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(seconds), Some(signatures)) =
        (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"))
    else {
        return false;
    };
    let at = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let Some(at) = at else { return false };
    if between(at, now).max(between(now, at)) > TOLERANCE {
        return false;
    }
    // While keys are rotated there are several.
    let claimed = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let claimed: Vec<Vec<u8>> = claimed.filter_map(|one| BASE64.decode(one).ok()).collect();
    keys.iter().any(|key| {
        let Some(bytes) = key_bytes(key) else { return false };
        claimed.iter().any(|one| {
            let mac = standard_mac(&bytes, id, at, body);
            mac.is_some_and(|mac| mac.verify_slice(one).is_ok())
        })
    })
}

/// A key as the standard writes it: `whsec_` and base64.
fn key_bytes(key: &Secret) -> Option<Vec<u8>> {
    BASE64.decode(key.expose().strip_prefix("whsec_")?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tillgate_kernel::signature::sign_standard;
    use tillgate_kernel::time::later;

    use super::*;

    #[test]
    fn only_a_fresh_signature_of_a_known_key_counts() {
        let now: Timestamp = "2026-12-01T10:00:00Z".parse().expect("a time");
        let key = Secret::new(format!("whsec_{}", BASE64.encode([7; 32])));
        let other = Secret::new(format!("whsec_{}", BASE64.encode([8; 32])));
        let body = br#"{"type":"payment.succeeded"}"#;
        let signed = |key: &[u8], at: Timestamp| {
            let signature = sign_standard(key, "msg_1", at, body).expect("a signature");
            let mut headers = HeaderMap::new();
            let mut put = |name: &'static str, value: &str| {
                headers.insert(name, HeaderValue::from_str(value).expect("a value"))
            };
            put("webhook-id", "msg_1");
            put("webhook-timestamp", &at.as_second().to_string());
            put("webhook-signature", &signature);
            headers
        };
        let keys = [key, other];
        assert!(is_signed(&keys, &signed(&[7; 32], now), body, now));
        assert!(is_signed(&keys, &signed(&[8; 32], now), body, now), "an older key");
        assert!(!is_signed(&keys, &signed(&[9; 32], now), body, now), "a foreign key");
        assert!(!is_signed(&keys, &signed(&[7; 32], now), b"{}", now), "another body");
        assert!(!is_signed(&keys, &HeaderMap::new(), body, now), "no signature");
        let late = later(now, Duration::from_secs(301));
        assert!(!is_signed(&keys, &signed(&[7; 32], now), body, late), "an old one");
    }

    #[test]
    fn a_payment_is_named_by_its_order_and_its_number() {
        let named =
            payment_named("482993011752-3").map(|(order, number)| (order.to_string(), number));
        assert_eq!(named, Some(("482993011752".into(), 3)));
        for name in ["", "482993011752", "A-1001", "482993011752-x"] {
            assert_eq!(payment_named(name), None, "{name}");
        }
    }
}
