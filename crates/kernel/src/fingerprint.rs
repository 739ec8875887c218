//! Fingerprints of bytes, used among other things as the identity of a hook.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The first 96 bits of a SHA-256. Two different bodies practically never have
/// the same fingerprint: among a thousand million hooks of one order it happens
/// once in 10^11 such orders. It is short enough for a key that the store holds
/// without a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u128);

/// The first bytes of the number, which are zero.
const UNUSED_BYTES: usize = 4;

/// The length of the text, in bytes.
const TEXT_BYTES: usize = 24;

impl Fingerprint {
    /// The fingerprint of `parts` in this order. Each part is preceded by its
    /// length, so that no two different lists of parts give the same bytes.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Fingerprint {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut first = [0; 16];
        first[UNUSED_BYTES..].copy_from_slice(&digest[..12]);
        Fingerprint(u128::from_be_bytes(first))
    }

    /// The fingerprint as a number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'0'; TEXT_BYTES];
        for (pair, byte) in text.chunks_exact_mut(2).zip(&self.0.to_be_bytes()[UNUSED_BYTES..]) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Fingerprint, NotAFingerprint> {
        let is_hex = text.len() == TEXT_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Fingerprint).ok_or(NotAFingerprint)
    }
}

/// The text is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 24 hexadecimal digits")]
pub struct NotAFingerprint;

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::short_text::serialize_text(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Fingerprint, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
