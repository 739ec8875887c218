//! An HMAC over the raw body, in a header.
//!
//! The signature has no time in it, so anyone who has seen a request can replay
//! it. A replay has no effect: it is recognised as a duplicate by its content.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;

use super::{AuthError, only_value};
use crate::kernel::Secret;
use crate::kernel::signature::{Algorithm, is_signature};

/// The verifier of signed bodies.
#[derive(Debug)]
pub struct SignedBody {
    /// The header that carries the signature.
    pub header: HeaderName,
    /// The accepted keys: one, or the new and the old one during a rotation.
    pub keys: Vec<Secret>,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    /// The text before the signature in the header, such as `sha256=`.
    pub prefix: String,
}

/// The encoding of a signature's bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Lower-case hexadecimal.
    #[default]
    Hex,
    Base64,
}

impl SignedBody {
    /// The decoded signature from the headers.
    pub fn claimed(&self, headers: &HeaderMap) -> Result<Vec<u8>, AuthError> {
        let written = only_value(headers, &self.header)?.strip_prefix(self.prefix.as_bytes());
        let bytes = written.and_then(|written| match self.encoding {
            Encoding::Hex => from_hex(written),
            Encoding::Base64 => BASE64.decode(written).ok(),
        });
        bytes.ok_or_else(|| AuthError::Mismatch(self.header.clone()))
    }

    /// Accepts `body` if exactly one header has its signature. The comparison
    /// takes constant time, wherever the first difference is.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), AuthError> {
        let claimed = self.claimed(headers)?;
        let fits = |key: &Secret| is_signature(key, self.algorithm, body, &claimed);
        if self.keys.iter().any(fits) {
            Ok(())
        } else {
            Err(AuthError::Mismatch(self.header.clone()))
        }
    }
}

/// Decodes lower-case hexadecimal. Upper case is refused, so that a body has
/// only one valid signature.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::kernel::signature::sign_body;

    const HEADER: HeaderName = HeaderName::from_static("x-signature");

    fn verified(signatures: &[&str], algorithm: Algorithm, body: &[u8]) -> Option<AuthError> {
        let mut headers = HeaderMap::new();
        for signature in signatures {
            headers.append(HEADER, HeaderValue::from_str(signature).expect("a header"));
        }
        let keys = vec![Secret::new("the new key of the shop"), Secret::new("the key of the shop")];
        SignedBody {
            header: HEADER,
            keys,
            algorithm,
            encoding: Encoding::Hex,
            prefix: String::new(),
        }
        .verify(&headers, body)
        .err()
    }

    #[test]
    fn only_the_signature_of_exactly_these_bytes_is_accepted() {
        let body = br#"{"id":"1"}"#;
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
            let right = sign_body(&Secret::new("the key of the shop"), algorithm, body);
            assert_eq!(verified(&[&right], algorithm, body), None);
            assert_eq!(
                verified(&[&right.to_uppercase()], algorithm, body),
                Some(AuthError::Mismatch(HEADER))
            );
            assert_eq!(verified(&[], algorithm, body), Some(AuthError::Missing(HEADER)));
            assert_eq!(
                verified(&[&right, &right], algorithm, body),
                Some(AuthError::Repeated(HEADER))
            );
            for wrong in ["", "0", "zz", &right[1..], &right[2..], &format!("{right}00")] {
                assert_eq!(
                    verified(&[wrong], algorithm, body),
                    Some(AuthError::Mismatch(HEADER)),
                    "{wrong:?}"
                );
            }
            assert_eq!(
                verified(&[&right], algorithm, br#"{"id":"1"} "#),
                Some(AuthError::Mismatch(HEADER))
            );
            let new = sign_body(&Secret::new("the new key of the shop"), algorithm, body);
            assert_eq!(verified(&[&new], algorithm, body), None);
            let other = sign_body(&Secret::new("another key"), algorithm, body);
            assert_eq!(verified(&[&other], algorithm, body), Some(AuthError::Mismatch(HEADER)));
        }
        let sha1 = sign_body(&Secret::new("the key of the shop"), Algorithm::Sha1, body);
        assert_eq!(verified(&[&sha1], Algorithm::Sha256, body), Some(AuthError::Mismatch(HEADER)));
    }

    /// The formats of GitHub and Shopify.
    #[test]
    fn prefixes_and_encodings_of_signatures_are_configurable() {
        let key = Secret::new("the key of the shop");
        let hex = sign_body(&key, Algorithm::Sha256, b"{}");
        let base64 = BASE64.encode(from_hex(hex.as_bytes()).expect("hex"));
        for (encoding, prefix, right, wrong) in [
            (Encoding::Hex, "sha256=", format!("sha256={hex}"), hex.clone()),
            (Encoding::Base64, "", base64.clone(), hex.clone()),
        ] {
            let signed = SignedBody {
                header: HEADER,
                keys: vec![key.clone()],
                algorithm: Algorithm::Sha256,
                encoding,
                prefix: prefix.into(),
            };
            let verified = |value: &str| {
                let mut headers = HeaderMap::new();
                headers.insert(HEADER, HeaderValue::from_str(value).expect("a header"));
                signed.verify(&headers, b"{}")
            };
            assert_eq!(verified(&right), Ok(()));
            assert_eq!(verified(&wrong), Err(AuthError::Mismatch(HEADER)));
        }
    }

    /// A change of any bit of the body or the signature is detected. So is a
    /// body that was parsed and serialized again, because its bytes differ.
    #[test]
    fn any_changed_bit_is_detected() {
        let body = include_bytes!("../../../fixtures/invoicebox/notification-completed.json");
        let right = sign_body(&Secret::new("the key of the shop"), Algorithm::Sha1, body);
        for bit in 0..body.len() * 8 {
            let mut changed = body.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                verified(&[&right], Algorithm::Sha1, &changed).is_some(),
                "bit {bit} of the body"
            );
        }
        for place in 0..right.len() {
            for digit in
                "0123456789abcdef".chars().filter(|digit| !right[place..].starts_with(*digit))
            {
                let changed = format!("{}{digit}{}", &right[..place], &right[place + 1..]);
                assert!(verified(&[&changed], Algorithm::Sha1, body).is_some(), "{changed}");
            }
        }
        let value: serde_json::Value = serde_json::from_slice(body).expect("json");
        let again = serde_json::to_vec(&value).expect("json");
        assert_ne!(again, body);
        assert_eq!(verified(&[&right], Algorithm::Sha1, &again), Some(AuthError::Mismatch(HEADER)));
        assert_eq!(verified(&[&right], Algorithm::Sha1, body), None);
    }

    /// The expected values come from `openssl dgst -hmac`. The body has escaped
    /// slashes and non-ASCII characters.
    #[test]
    fn signatures_match_those_of_openssl() {
        let body = include_bytes!("../../../fixtures/invoicebox/notification-completed.json");
        let sign = |algorithm| sign_body(&Secret::new("a key for fixtures"), algorithm, body);
        assert_eq!(sign(Algorithm::Sha1), "f5e91d3a87cb0f5e92ae74afb9a6fe8504d63698");
        assert_eq!(
            sign(Algorithm::Sha256),
            "3712ef6a03c57df9b7651883687a038e844d4f53b20e550ebd31ea9e869d8002"
        );
    }

    /// Test vectors from RFC 2202 and RFC 4231.
    #[test]
    fn signatures_match_the_test_vectors_of_the_standards() {
        let sign =
            |algorithm| sign_body(&Secret::new("Jefe"), algorithm, b"what do ya want for nothing?");
        assert_eq!(sign(Algorithm::Sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            sign(Algorithm::Sha256),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
