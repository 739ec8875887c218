//! A fixed token in a header.
//!
//! There is no signature and no time, so anyone who has the token can forge
//! requests. Use it only behind TLS. To rotate the token, configure the new and
//! the old one together for a while.

use http::{HeaderMap, HeaderName};

use super::{AuthError, only_value};
use crate::kernel::Tokens;

/// The verifier of a token in a header.
#[derive(Debug)]
pub struct TokenHeader {
    /// The name of the header. Its case does not matter.
    pub header: HeaderName,
    /// The accepted tokens.
    pub tokens: Tokens,
}

impl TokenHeader {
    /// Accepts exactly one header with one of the tokens.
    pub fn verify(&self, headers: &HeaderMap) -> Result<(), AuthError> {
        let value = only_value(headers, &self.header)?;
        if self.tokens.accept(value) {
            Ok(())
        } else {
            Err(AuthError::Mismatch(self.header.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::kernel::Secret;

    #[test]
    fn exactly_one_valid_token_is_accepted() {
        const HEADER: HeaderName = HeaderName::from_static("client-token");
        let tokens = Tokens::new([&Secret::new("a-token-of-the-marketplace")], [1; 32]);
        let token = TokenHeader { header: HEADER, tokens };
        let right = HeaderValue::from_static("a-token-of-the-marketplace");
        let mut headers = HeaderMap::new();
        assert_eq!(token.verify(&headers), Err(AuthError::Missing(HEADER)));
        headers.insert(HEADER, HeaderValue::from_static("another"));
        assert_eq!(token.verify(&headers), Err(AuthError::Mismatch(HEADER)));
        headers.insert(HEADER, right.clone());
        assert_eq!(token.verify(&headers), Ok(()));
        headers.append(HEADER, right);
        assert_eq!(token.verify(&headers), Err(AuthError::Repeated(HEADER)));
    }
}
