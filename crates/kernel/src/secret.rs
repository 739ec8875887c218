//! Secrets: values that do not print, and tokens that are compared in constant time.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// A text that must not reach logs, errors or pages. Its `Debug` is a placeholder and it has no `Display`.
/// Two of them are compared in a time that does not depend on where they differ.
#[derive(Clone, Eq)]
pub struct Secret(String);

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

/// Written by hand so that a secret of the wrong type (a token of digits without quotes) is not quoted back.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::new(text))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                Err(E::custom("a secret must be in quotes"))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                Err(E::custom("a secret must be in quotes"))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The key in a secret of Standard Webhooks, which is `whsec_` and base64; none if it is not one.
#[must_use]
pub fn webhook_key(secret: &Secret) -> Option<Vec<u8>> {
    BASE64.decode(secret.expose().strip_prefix("whsec_")?).ok()
}

/// Text about a person, or meant for one only: kept and sent, and not printed.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Private(String);

impl Private {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Private {
        Private(text.into())
    }

    /// The text itself, for those who send or compare it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private]")
    }
}

/// The shortest token that is accepted, in bytes: 16 random characters cannot be guessed over a network.
pub const TOKEN_BYTES_MIN: usize = 16;

/// The tokens that open a door: one, or the new and the old one while they are being exchanged.
///
/// What is kept and compared are their MACs under a key drawn for this process, by the constant-time check
/// of the `hmac` crate: neither where a guess first differs nor how long the token is shows in the time.
#[derive(Clone)]
pub struct Tokens {
    key: Hmac<Sha256>,
    macs: Vec<Vec<u8>>,
}

impl Tokens {
    /// Keeps `tokens`; `key` is random, of this process alone.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a Secret>, key: [u8; 32]) -> Tokens {
        let key = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        let macs = tokens
            .into_iter()
            .map(|token| key.clone().chain_update(token.expose()).finalize().into_bytes().to_vec())
            .collect();
        Tokens { key, macs }
    }

    /// Whether `candidate` is one of them. Every token is compared, whichever matches.
    #[must_use]
    pub fn accept(&self, candidate: &[u8]) -> bool {
        let candidate = self.key.clone().chain_update(candidate);
        self.macs.iter().fold(false, |found, mac| candidate.clone().verify_slice(mac).is_ok() | found)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} secret tokens]", self.macs.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("correct horse battery staple");
        let tokens = Tokens::new([&secret], [7; 32]);
        assert_eq!(format!("{secret:?} {tokens:?}"), "[secret] [1 secret tokens]");
    }

    #[test]
    fn only_the_exact_tokens_open() {
        let (new, old) = (Secret::new("the-new-token-of-the-shop"), Secret::new("the-old-token-of-the-shop"));
        let tokens = Tokens::new([&new, &old], [7; 32]);
        assert!(tokens.accept(b"the-new-token-of-the-shop"));
        assert!(tokens.accept(b"the-old-token-of-the-shop"));
        for guess in
            ["", "t", "the-new-token-of-the-sho", "the-new-token-of-the-shop ", "The-new-token-of-the-shop"]
        {
            assert!(!tokens.accept(guess.as_bytes()), "{guess:?}");
        }
        assert!(!Tokens::new([], [7; 32]).accept(b""));
    }
}
