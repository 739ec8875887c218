//! What handlers read of a request besides its body.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use super::Edge;
use super::problem::Problem;
use crate::orders::{Number, is_number_otherwise};
use crate::texts::Language;
use crate::views::Frame;

/// What a caller bears as proof of who it is.
pub(super) fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, proof) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(proof)
}

/// The number of an order in an address; none if it is no number. Each order has one address, so another spelling of its
/// number is refused.
pub(super) fn number_in(text: &str) -> Result<Option<Number>, Problem> {
    if is_number_otherwise(text) {
        let detail = format!("{text:?}: write the number as you were given it, twelve digits");
        return Err(Problem::bad_request(detail));
    }
    Ok(text.parse().ok())
}

/// The language that the caller asks for with `Accept-Language`; `otherwise` if it asks for none of ours.
pub(super) fn language_of(headers: &HeaderMap, otherwise: Language) -> Language {
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    accept.and_then(Language::accepted).unwrap_or(otherwise)
}

/// A request of an API: what all share, and the language of the texts in its answer, which is English unless the program asks
/// for another.
#[derive(Debug, Clone)]
pub struct ApiRequest {
    edge: Arc<Edge>,
    /// The language.
    pub language: Language,
}

impl ApiRequest {
    /// What views depend on.
    pub fn frame(&self) -> Frame<'_> {
        self.edge.shop.frame(self.language)
    }
}

impl Deref for ApiRequest {
    type Target = Edge;

    fn deref(&self) -> &Edge {
        &self.edge
    }
}

impl FromRequestParts<Arc<Edge>> for ApiRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<ApiRequest, Infallible> {
        let language = language_of(&parts.headers, Language::En);
        Ok(ApiRequest { edge: Arc::clone(edge), language })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_of_a_proof_may_be_written_in_any_case() {
        let proof = |text| bearer(&HeaderValue::from_static(text)).map(<[u8]>::to_vec);
        assert_eq!(proof("Bearer key"), Some(b"key".to_vec()));
        assert_eq!(proof("bearer Key"), Some(b"Key".to_vec()));
        assert_eq!((proof("Basic key"), proof("Bearer"), proof("")), (None, None, None));
    }
}
