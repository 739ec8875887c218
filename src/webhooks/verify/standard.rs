//! Standard Webhooks (standardwebhooks.com): a message id that is the same in
//! every attempt, the time of the attempt, and an HMAC-SHA256 over both and the
//! body.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::Mac;
use http::HeaderName;

use super::{AuthError, Sender, only_value};
use crate::kernel::Timestamp;
use crate::kernel::signature::standard_mac;
use crate::kernel::time::between;

/// The headers of the standard.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The maximum difference between the time of an attempt and ours.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The maximum length of an id, in bytes.
const ID_BYTES_MAX: usize = 255;

/// The verifier of Standard Webhooks.
pub struct StandardWebhooks {
    /// The accepted keys. A signature by any of them is valid, so that keys can
    /// be rotated.
    pub keys: Vec<Vec<u8>>,
}

impl std::fmt::Debug for StandardWebhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} secret keys]", self.keys.len())
    }
}

/// The values of the headers, not verified yet.
pub struct Claimed<'a> {
    id: &'a str,
    at: Timestamp,
    signatures: Vec<Vec<u8>>,
}

impl StandardWebhooks {
    /// Parses the headers, and checks that the time is close to now.
    pub fn claimed<'a>(&self, sender: Sender<'a>) -> Result<Claimed<'a>, AuthError> {
        let text = |name: HeaderName| {
            let value = only_value(sender.headers, &name)?;
            std::str::from_utf8(value).map_err(|_| AuthError::Mismatch(name))
        };
        let id = text(ID)?;
        if id.is_empty()
            || id.len() > ID_BYTES_MAX
            || !id.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(AuthError::Mismatch(ID));
        }
        let seconds = text(TIMESTAMP)?.parse().ok();
        let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let at = at.ok_or(AuthError::Mismatch(TIMESTAMP))?;
        if between(at, sender.now).max(between(sender.now, at)) > TOLERANCE {
            return Err(AuthError::Stale(TIMESTAMP));
        }
        // During a key rotation there are several signatures, separated by
        // spaces. Unknown versions are skipped.
        let of_version_1 =
            text(SIGNATURE)?.split(' ').filter_map(|signature| signature.strip_prefix("v1,"));
        let signatures: Vec<Vec<u8>> =
            of_version_1.filter_map(|text| BASE64.decode(text).ok()).collect();
        if signatures.is_empty() {
            return Err(AuthError::Mismatch(SIGNATURE));
        }
        Ok(Claimed { id, at, signatures })
    }

    /// Accepts a body if one of the signatures matches one of the keys.
    pub fn verify(&self, sender: Sender<'_>, body: &[u8]) -> Result<(), AuthError> {
        let Claimed { id, at, signatures } = self.claimed(sender)?;
        let signed = self.keys.iter().any(|key| {
            let mac = standard_mac(key, id, at, body);
            let fits = |signature: &Vec<u8>| {
                mac.as_ref().is_some_and(|mac| mac.clone().verify_slice(signature).is_ok())
            };
            signatures.iter().any(fits)
        });
        if signed { Ok(()) } else { Err(AuthError::Mismatch(SIGNATURE)) }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::kernel::Secret;
    use crate::kernel::secret::webhook_key;
    use crate::kernel::signature::sign_standard;

    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn now() -> Timestamp {
        Timestamp::from_second(1_614_265_330).expect("a time")
    }

    fn key() -> Vec<u8> {
        webhook_key(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("a key")
    }

    fn headers(id: &str, at: &str, signature: &str) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).expect("a header");
        let named = [(ID, id), (TIMESTAMP, at), (SIGNATURE, signature)];
        named.into_iter().map(|(name, text)| (name, value(text))).collect()
    }

    fn verified(headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), AuthError> {
        StandardWebhooks { keys: vec![vec![1; 32], key()] }
            .verify(Sender { address: None, headers, now }, body)
    }

    /// The example in the specification.
    #[test]
    fn the_signature_is_the_standard_one() {
        let signature = sign_standard(&key(), "msg_p5jXN8AQM9LWM0D4loKWxJek", now(), BODY);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn only_a_recent_valid_signature_is_accepted() {
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let later = |seconds: i64| Timestamp::from_second(1_614_265_330 + seconds).expect("a time");
        assert_eq!(verified(&headers(id, at, right), BODY, now()), Ok(()));
        let several = format!("v1a,xyz v1,{} {right}", BASE64.encode([7; 32]));
        assert_eq!(verified(&headers(id, at, &several), BODY, later(-299)), Ok(()));
        for (headers, body, now, why) in [
            (headers(id, at, right), &b"{}"[..], now(), AuthError::Mismatch(SIGNATURE)),
            (headers("msg_other", at, right), BODY, now(), AuthError::Mismatch(SIGNATURE)),
            (headers(id, "1614265331", right), BODY, now(), AuthError::Mismatch(SIGNATURE)),
            (headers(id, at, "v1,AAAA"), BODY, now(), AuthError::Mismatch(SIGNATURE)),
            (headers(id, at, &right[3..]), BODY, now(), AuthError::Mismatch(SIGNATURE)),
            (headers("", at, right), BODY, now(), AuthError::Mismatch(ID)),
            (headers(id, "soon", right), BODY, now(), AuthError::Mismatch(TIMESTAMP)),
            (headers(id, at, right), BODY, later(301), AuthError::Stale(TIMESTAMP)),
            (headers(id, at, right), BODY, later(-301), AuthError::Stale(TIMESTAMP)),
        ] {
            assert_eq!(verified(&headers, body, now), Err(why));
        }
        let mut twice = headers(id, at, right);
        twice.append(SIGNATURE, HeaderValue::from_str(right).expect("a header"));
        assert_eq!(verified(&twice, BODY, now()), Err(AuthError::Repeated(SIGNATURE)));
        twice.remove(SIGNATURE);
        assert_eq!(verified(&twice, BODY, now()), Err(AuthError::Missing(SIGNATURE)));
    }
}
