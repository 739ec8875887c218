//! What handlers read of a request, apart from its body.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use super::AppState;
use super::problem::Problem;
use crate::orders::{Number, is_number_otherwise};
use crate::texts::Language;
use crate::views::Frame;

/// The token of an `Authorization: Bearer` header.
pub(super) fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, proof) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(proof)
}

/// Reads the number of an order from a path. `None` if it is not a number at
/// all. Each order has exactly one address, so other spellings of a number are
/// refused.
pub(super) fn number_in(text: &str) -> Result<Option<Number>, Problem> {
    if is_number_otherwise(text) {
        let detail = format!(
            "{text:?}: write the order number exactly as you received it, as twelve digits"
        );
        return Err(Problem::bad_request(detail));
    }
    Ok(text.parse().ok())
}

/// The language that the caller asks for with `Accept-Language`, or `otherwise`
/// if it asks for none that is supported.
pub(super) fn language_of(headers: &HeaderMap, otherwise: Language) -> Language {
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    accept.and_then(Language::accepted).unwrap_or(otherwise)
}

/// A request of an API: the shared state, and the language of the texts in the
/// answer. The language is English unless the caller asks for another one.
#[derive(Debug, Clone)]
pub struct ApiRequest {
    app: Arc<AppState>,
    /// The language of the texts in the answer.
    pub language: Language,
}

impl ApiRequest {
    /// What the views depend on.
    pub fn frame(&self) -> Frame<'_> {
        self.app.services.frame(self.language)
    }
}

impl Deref for ApiRequest {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.app
    }
}

impl FromRequestParts<Arc<AppState>> for ApiRequest {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<AppState>,
    ) -> Result<ApiRequest, Infallible> {
        let language = language_of(&parts.headers, Language::En);
        Ok(ApiRequest { app: Arc::clone(app), language })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bearer_scheme_is_case_insensitive() {
        let proof = |text| bearer(&HeaderValue::from_static(text)).map(<[u8]>::to_vec);
        assert_eq!(proof("Bearer key"), Some(b"key".to_vec()));
        assert_eq!(proof("bearer Key"), Some(b"Key".to_vec()));
        assert_eq!((proof("Basic key"), proof("Bearer"), proof("")), (None, None, None));
    }
}
