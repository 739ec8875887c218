//! Signatures of bodies: an HMAC over the body, and Standard Webhooks
//! (standardwebhooks.com).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha1::Sha1;
use sha2::Sha256;

use crate::{Secret, Timestamp};

/// The hash function of the HMAC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Invoicebox's default.
    #[default]
    Sha1,
    /// The stronger alternative.
    Sha256,
}

/// The HMAC of a body, in hexadecimal.
///
/// # Panics
/// Never: HMAC takes a key of any length.
#[must_use]
pub fn sign_body(key: &Secret, algorithm: Algorithm, body: &[u8]) -> String {
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

/// Whether `claimed` is the HMAC of a body, as bytes. The comparison takes the
/// same time wherever the first difference is.
#[must_use]
pub fn is_signature(key: &Secret, algorithm: Algorithm, body: &[u8], claimed: &[u8]) -> bool {
    let key = key.expose().as_bytes();
    match algorithm {
        Algorithm::Sha1 => Hmac::<Sha1>::new_from_slice(key)
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(claimed).is_ok()),
        Algorithm::Sha256 => Hmac::<Sha256>::new_from_slice(key)
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(claimed).is_ok()),
    }
}

/// The HMAC of what Standard Webhooks signs: the id of a delivery, the time of
/// the attempt, and the body.
pub fn standard_mac(key: &[u8], id: &str, at: Timestamp, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    Some(mac.chain_update(format!("{id}.{}.", at.as_second())).chain_update(body))
}

/// The value of the `webhook-signature` header.
#[must_use]
pub fn sign_standard(key: &[u8], id: &str, at: Timestamp, body: &[u8]) -> Option<String> {
    let mac = standard_mac(key, id, at, body)?;
    Some(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}
