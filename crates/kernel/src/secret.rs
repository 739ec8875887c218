//! Secrets that are never printed, and tokens that are compared in constant
//! time.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// A text that must not appear in logs, errors or pages. Its `Debug` is a
/// placeholder, and it has no `Display`. The time of a comparison does not
/// depend on where two secrets differ.
#[derive(Clone, Eq)]
pub struct Secret(String);

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

/// Written by hand so that the error for a secret of the wrong type (a token of
/// digits without quotes) does not quote it.
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

    /// The secret text, for the call that needs it.
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

/// The key in a Standard Webhooks secret, which is `whsec_` and base64. `None`
/// if the secret has another form.
#[must_use]
pub fn webhook_key(secret: &Secret) -> Option<Vec<u8>> {
    BASE64.decode(secret.expose().strip_prefix("whsec_")?).ok()
}

/// Text about a person, or for one person only. It is stored and sent, but
/// never printed.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Private(String);

impl Private {
    /// Wraps a private text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Private {
        Private(text.into())
    }

    /// The text itself, for code that sends or compares it.
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

/// The shortest accepted token, in bytes: 16 random characters cannot be
/// guessed over a network.
pub const TOKEN_BYTES_MIN: usize = 16;

/// The tokens that give access: one, or the new and the old one during a
/// rotation.
///
/// It stores and compares their MACs under a key drawn for this process, with
/// the constant-time check of the `hmac` crate. So the time reveals neither
/// where a guess first differs nor how long the token is.
#[derive(Clone)]
pub struct Tokens {
    key: Hmac<Sha256>,
    macs: Vec<Vec<u8>>,
}

impl Tokens {
    /// Stores the MACs of `tokens`. `key` must be random, and is used only in
    /// this process.
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

    /// Whether `candidate` is one of the tokens. Every token is compared,
    /// whether or not another one matches.
    #[must_use]
    pub fn accept(&self, candidate: &[u8]) -> bool {
        let candidate = self.key.clone().chain_update(candidate);
        self.macs
            .iter()
            .fold(false, |found, mac| candidate.clone().verify_slice(mac).is_ok() | found)
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
    fn only_the_exact_tokens_are_accepted() {
        let (new, old) =
            (Secret::new("the-new-token-of-the-shop"), Secret::new("the-old-token-of-the-shop"));
        let tokens = Tokens::new([&new, &old], [7; 32]);
        assert!(tokens.accept(b"the-new-token-of-the-shop"));
        assert!(tokens.accept(b"the-old-token-of-the-shop"));
        for guess in [
            "",
            "t",
            "the-new-token-of-the-sho",
            "the-new-token-of-the-shop ",
            "The-new-token-of-the-shop",
        ] {
            assert!(!tokens.accept(guess.as_bytes()), "{guess:?}");
        }
        assert!(!Tokens::new([], [7; 32]).accept(b""));
    }
}
