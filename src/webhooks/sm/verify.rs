//! The proof: a static token in the header `Client-Token`.
//!
//! There is no signature and no time in it, so whoever has the token can invent orders: it belongs behind
//! TLS, and is exchanged by configuring the new and the old one together for a while.

use http::HeaderMap;

use crate::kernel::Tokens;
use crate::webhooks::{Authentic, Forged};

/// The header's name; HTTP does not mind its case.
pub const HEADER: &str = "client-token";

/// Accepts `body` if exactly one header bears one of the tokens.
pub fn verify<'a>(tokens: &Tokens, headers: &HeaderMap, body: &'a [u8]) -> Result<Authentic<'a>, Forged> {
    let mut values = headers.get_all(HEADER).iter();
    let value = values.next().ok_or(Forged::Missing(HEADER))?;
    if values.next().is_some() {
        return Err(Forged::Doubled(HEADER));
    }
    if tokens.accept(value.as_bytes()) { Ok(Authentic { body }) } else { Err(Forged::Wrong(HEADER)) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::kernel::Secret;

    #[test]
    fn exactly_one_right_token_is_believed() {
        let tokens = Tokens::new([&Secret::new("a-token-of-the-marketplace")], [1; 32]);
        let right = HeaderValue::from_static("a-token-of-the-marketplace");
        let mut headers = HeaderMap::new();
        assert_eq!(verify(&tokens, &headers, b"{}").err(), Some(Forged::Missing(HEADER)));
        headers.insert(HEADER, HeaderValue::from_static("another"));
        assert_eq!(verify(&tokens, &headers, b"{}").err(), Some(Forged::Wrong(HEADER)));
        headers.insert(HEADER, right.clone());
        assert!(verify(&tokens, &headers, b"{}").is_ok());
        headers.append(HEADER, right);
        assert_eq!(verify(&tokens, &headers, b"{}").err(), Some(Forged::Doubled(HEADER)));
    }
}
