//! The proof: an HMAC over the body as it came, in hex, in the header `X-Signature`.
//!
//! There is no time in it, so an old notification can be sent again by whoever has seen it: it is recognised by what
//! it is about, and pays nothing twice.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use serde::Deserialize;
use sha1::Sha1;
use sha2::Sha256;

use crate::kernel::Secret;
use crate::webhooks::{Authentic, Forged};

/// The header's name.
pub const HEADER: &str = "x-signature";

/// The hash inside the HMAC, a setting of the shop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// The payment system's own default.
    #[default]
    Sha1,
    /// The better choice.
    Sha256,
}

/// The signature that the headers claim.
pub fn claimed(headers: &HeaderMap) -> Result<Vec<u8>, Forged> {
    let mut values = headers.get_all(HEADER).iter();
    let value = values.next().ok_or(Forged::Missing(HEADER))?;
    if values.next().is_some() {
        return Err(Forged::Doubled(HEADER));
    }
    from_hex(value.as_bytes()).ok_or(Forged::Wrong(HEADER))
}

/// Accepts `body` if exactly one header bears its signature. The comparison takes the same time wherever the first
/// difference is.
pub fn verify<'a>(
    key: &Secret,
    algorithm: Algorithm,
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<Authentic<'a>, Forged> {
    let claimed = claimed(headers)?;
    let key = key.expose().as_bytes();
    let is_right = match algorithm {
        Algorithm::Sha1 => Hmac::<Sha1>::new_from_slice(key)
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(&claimed).is_ok()),
        Algorithm::Sha256 => Hmac::<Sha256>::new_from_slice(key)
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(&claimed).is_ok()),
    };
    if is_right { Ok(Authentic { body }) } else { Err(Forged::Wrong(HEADER)) }
}

/// The signature of a body, as the payment system makes it.
///
/// # Panics
/// Never: HMAC takes a key of any length.
#[must_use]
pub fn sign(key: &Secret, algorithm: Algorithm, body: &[u8]) -> String {
    let key = key.expose().as_bytes();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let any_length = "HMAC takes a key of any length";
    match algorithm {
        Algorithm::Sha1 => hex(&Hmac::<Sha1>::new_from_slice(key)
            .expect(any_length)
            .chain_update(body)
            .finalize()
            .into_bytes()),
        Algorithm::Sha256 => hex(&Hmac::<Sha256>::new_from_slice(key)
            .expect(any_length)
            .chain_update(body)
            .finalize()
            .into_bytes()),
    }
}

/// Lower case, as the payment system writes it: there is one signature of a body, not many that mean the same.
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

    fn verified(signatures: &[&str], algorithm: Algorithm, body: &[u8]) -> Option<Forged> {
        let mut headers = HeaderMap::new();
        for signature in signatures {
            headers.append(HEADER, HeaderValue::from_str(signature).expect("a header"));
        }
        verify(&Secret::new("the key of the shop"), algorithm, &headers, body).err()
    }

    #[test]
    fn only_the_signature_of_these_very_bytes_is_believed() {
        let body = br#"{"id":"1"}"#;
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
            let right = sign(&Secret::new("the key of the shop"), algorithm, body);
            assert_eq!(verified(&[&right], algorithm, body), None);
            assert_eq!(verified(&[&right.to_uppercase()], algorithm, body), Some(Forged::Wrong(HEADER)));
            assert_eq!(verified(&[], algorithm, body), Some(Forged::Missing(HEADER)));
            assert_eq!(verified(&[&right, &right], algorithm, body), Some(Forged::Doubled(HEADER)));
            for wrong in ["", "0", "zz", &right[1..], &right[2..], &format!("{right}00")] {
                assert_eq!(verified(&[wrong], algorithm, body), Some(Forged::Wrong(HEADER)), "{wrong:?}");
            }
            assert_eq!(verified(&[&right], algorithm, br#"{"id":"1"} "#), Some(Forged::Wrong(HEADER)));
            let other = sign(&Secret::new("another key"), algorithm, body);
            assert_eq!(verified(&[&other], algorithm, body), Some(Forged::Wrong(HEADER)));
        }
        let sha1 = sign(&Secret::new("the key of the shop"), Algorithm::Sha1, body);
        assert_eq!(verified(&[&sha1], Algorithm::Sha256, body), Some(Forged::Wrong(HEADER)));
    }

    /// Every bit counts, of the body as of the signature, and so does the form of the body: whoever reads it and writes it
    /// anew has other bytes.
    #[test]
    fn not_a_bit_may_be_another() {
        let body = include_bytes!("../../../fixtures/invoicebox/notification-completed.json");
        let right = sign(&Secret::new("the key of the shop"), Algorithm::Sha1, body);
        for bit in 0..body.len() * 8 {
            let mut altered = body.to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(verified(&[&right], Algorithm::Sha1, &altered).is_some(), "bit {bit} of the body");
        }
        for place in 0..right.len() {
            for digit in "0123456789abcdef".chars().filter(|digit| !right[place..].starts_with(*digit)) {
                let altered = format!("{}{digit}{}", &right[..place], &right[place + 1..]);
                assert!(verified(&[&altered], Algorithm::Sha1, body).is_some(), "{altered}");
            }
        }
        let value: serde_json::Value = serde_json::from_slice(body).expect("json");
        let anew = serde_json::to_vec(&value).expect("json");
        assert_ne!(anew, body);
        assert_eq!(verified(&[&right], Algorithm::Sha1, &anew), Some(Forged::Wrong(HEADER)));
        assert_eq!(verified(&[&right], Algorithm::Sha1, body), None);
    }

    /// Made by `openssl dgst -hmac`, over a body with escaped slashes and letters beyond ASCII.
    #[test]
    fn a_notification_of_real_shape_has_the_signature_that_openssl_gives_it() {
        let body = include_bytes!("../../../fixtures/invoicebox/notification-completed.json");
        let sign = |algorithm| sign(&Secret::new("a key for fixtures"), algorithm, body);
        assert_eq!(sign(Algorithm::Sha1), "f5e91d3a87cb0f5e92ae74afb9a6fe8504d63698");
        assert_eq!(
            sign(Algorithm::Sha256),
            "3712ef6a03c57df9b7651883687a038e844d4f53b20e550ebd31ea9e869d8002"
        );
        let notice = crate::webhooks::invoicebox::wire::read(body).expect("a notification");
        assert_eq!((notice.number.as_str(), notice.amount.to_string()), ("482993011752-1", "578.95".into()));
    }

    /// From RFC 2202 and RFC 4231.
    #[test]
    fn signatures_are_the_standard_ones() {
        let sign = |algorithm| sign(&Secret::new("Jefe"), algorithm, b"what do ya want for nothing?");
        assert_eq!(sign(Algorithm::Sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            sign(Algorithm::Sha256),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
