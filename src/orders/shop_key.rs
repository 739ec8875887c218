//! The secret key that values are derived from which outsiders must not be able
//! to compute.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::number::Number;
use crate::kernel::{ExternalId, PartyName};

/// The length of the key, in bytes.
pub const KEY_BYTES: usize = 32;

/// How many bytes of an HMAC form the secret part of an address.
const ADDRESS_BYTES: usize = 16;

/// A secret key of 32 random bytes. Its `Debug` output hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ShopKey([u8; KEY_BYTES]);

impl ShopKey {
    /// Makes a key of random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> ShopKey {
        ShopKey(bytes)
    }

    /// The bytes of the key, to store them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn mac(&self, purpose: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.0)
            .expect("HMAC accepts a key of any length")
            .chain_update(purpose)
            .chain_update([0])
    }

    fn address_mac(&self, number: Number) -> Hmac<Sha256> {
        self.mac(b"buyer's address 1").chain_update(number.get().to_be_bytes())
    }

    /// The secret part of the address of an order's page for its buyer.
    #[must_use]
    pub fn address_secret(&self, number: Number) -> String {
        let mac = self.address_mac(number).finalize().into_bytes();
        BASE64.encode(&mac[..ADDRESS_BYTES])
    }

    /// Whether `secret` is the secret part of the order's address. The
    /// comparison takes constant time.
    #[must_use]
    pub fn accepts_address(&self, number: Number, secret: &str) -> bool {
        // Decode it, so that each address has only one spelling.
        let claimed: Result<[u8; ADDRESS_BYTES], _> =
            BASE64.decode(secret).unwrap_or_default().try_into();
        claimed
            .is_ok_and(|claimed| self.address_mac(number).verify_truncated_left(&claimed).is_ok())
    }

    /// The number of an order if other orders have all the numbers that anybody
    /// can compute.
    #[must_use]
    pub fn number(&self, source: &PartyName, external_id: &ExternalId, slot: u8) -> Number {
        let mac = self.mac(b"order number 1").chain_update([slot]).chain_update(source.as_str());
        let mac = mac.chain_update([0]).chain_update(external_id.as_str()).finalize().into_bytes();
        let mut first = [0; 8];
        first.copy_from_slice(&mac[..8]);
        Number::drawn(u64::from_be_bytes(first))
    }
}

impl fmt::Debug for ShopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_exactly_one_accepted_spelling() {
        let (key, other) = (ShopKey::new([7; KEY_BYTES]), ShopKey::new([8; KEY_BYTES]));
        let number: Number = "482993011752".parse().expect("a number");
        let secret = key.address_secret(number);
        assert_eq!(secret.len(), 22);
        assert!(key.accepts_address(number, &secret));
        let next: Number = "482993011753".parse().expect("a number");
        assert!(!key.accepts_address(next, &secret) && !other.accepts_address(number, &secret));
        let mut last_changed = secret.clone();
        let last = last_changed.pop().expect("a character");
        for replaced in ('A'..='Z').chain('a'..='z').filter(|replaced| *replaced != last) {
            assert!(
                !key.accepts_address(number, &format!("{last_changed}{replaced}")),
                "{replaced}"
            );
        }
        for wrong in ["", "x", &secret[..20], &format!("{secret}="), &secret.repeat(2)] {
            assert!(!key.accepts_address(number, wrong), "{wrong:?}");
        }
        assert_eq!(format!("{key:?}"), "[key]");
    }
}
