//! Tokens: random texts; who has one, may do what it opens. Only a digest
//! of a token is kept.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest, Sha256};
use tillgate_kernel::Fingerprint;

pub const TOKEN_BYTES: usize = 32;

/// A random token of 256 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A token of these random bytes.
    #[must_use]
    pub const fn new(random: [u8; TOKEN_BYTES]) -> Token {
        Token(random)
    }

    /// Its text for a cookie or a link: 43 characters that need no escaping.
    #[must_use]
    pub fn text(&self) -> String {
        BASE64.encode(self.0)
    }

    /// The token that [`Token::text`] wrote. `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Token> {
        BASE64.decode(text).ok()?.try_into().ok().map(Token)
    }

    /// What is kept of it. `purpose` is what it opens: the same token opens
    /// nothing else.
    #[must_use]
    pub fn digest(&self, purpose: &str) -> TokenDigest {
        let digest = Sha256::new().chain_update(purpose).chain_update([0]).chain_update(self.0);
        TokenDigest(digest.finalize().into())
    }
}

/// A token opens an account, so it is not printed.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

/// The SHA-256 digest of a token and its purpose. The token cannot be found
/// from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The name under which documents about the token are kept.
    #[must_use]
    pub fn name(&self) -> Fingerprint {
        Fingerprint::of(&[&self.0])
    }

    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_another_text_is_none() {
        let token = Token::new([250; 32]);
        let text = token.text();
        assert_eq!((text.len(), Token::parse(&text)), (43, Some(token.clone())));
        let unfit = ["", "x", &text[1..], &format!("{text}="), &format!("{text}AA"), "ы"];
        for text in unfit {
            assert_eq!(Token::parse(text), None, "{text}");
        }
        assert_eq!(format!("{token:?}"), "[token]");
    }

    #[test]
    fn a_digest_is_of_one_token_and_one_purpose() {
        let (one, other) = (Token::new([1; 32]), Token::new([2; 32]));
        assert_eq!(one.digest("session"), one.digest("session"));
        assert_ne!(one.digest("session"), one.digest("reset"));
        assert_ne!(one.digest("session"), other.digest("session"));
    }
}
