//! Values that a browser keeps for us and cannot change: signed cookies and
//! the hidden fields of forms.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const MAC_BYTES: usize = 32;

/// Signs values for one purpose: a value signed for another is refused.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn new(key: &[u8; 32], purpose: &str) -> Signer {
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        Signer(mac.chain_update(purpose).chain_update([0]))
    }

    /// The value with its signature, as text that needs no escaping. `bound_to`
    /// must be the same when it is read, such as the session of a form.
    #[must_use]
    pub fn sign(&self, value: &[u8], bound_to: &[u8]) -> String {
        let mac = self.mac(value, bound_to).finalize().into_bytes();
        BASE64.encode([value, &mac].concat())
    }

    /// The value in a text, if it was signed with this key for this purpose.
    #[must_use]
    pub fn read(&self, text: &str, bound_to: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = BASE64.decode(text).ok()?;
        let mac = bytes.split_off(bytes.len().checked_sub(MAC_BYTES)?);
        self.mac(&bytes, bound_to).verify_slice(&mac).ok()?;
        Some(bytes)
    }

    fn mac(&self, value: &[u8], bound_to: &[u8]) -> Hmac<Sha256> {
        let length = (value.len() as u64).to_be_bytes();
        self.0.clone().chain_update(length).chain_update(value).chain_update(bound_to)
    }
}

/// The key is a secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[signer]")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_signed_for_something_else_is_refused() {
        let signer = Signer::new(&[7; 32], "device");
        let text = signer.sign(b"anna", b"here");
        assert_eq!(signer.read(&text, b"here").as_deref(), Some(&b"anna"[..]));
        assert_eq!(signer.read(&text, b"there"), None);
        assert_eq!(Signer::new(&[7; 32], "form").read(&text, b"here"), None);
        assert_eq!(Signer::new(&[8; 32], "device").read(&text, b"here"), None);
        // The border between the value and what it is bound to is signed too.
        assert_ne!(signer.sign(b"an", b"na"), signer.sign(b"anna", b""));
        assert_eq!(signer.read("", b"here"), None);
    }

    proptest! {
        #[test]
        fn a_changed_text_is_refused(place in 0_usize..48, bit in 0_u8..8) {
            let signer = Signer::new(&[7; 32], "device");
            let mut bytes = BASE64.decode(signer.sign(b"sixteen bytes...", b"")).expect("base64");
            bytes[place] ^= 1 << bit;
            prop_assert_eq!(signer.read(&BASE64.encode(bytes), b""), None);
        }
    }
}
