//! Who looks at a page, before anybody logs in.

use http::{HeaderMap, header};
use tillgate_identity::Token;
use tillgate_kernel::Language;
use tillgate_kernel::chance::random_bytes;

use super::Front;

/// The cookie of a visitor, to which forms are bound.
pub const VISITOR: &str = "visitor";

/// The visitor in a request's cookies.
pub fn visitor_in(headers: &HeaderMap) -> Option<&str> {
    crate::cookie::find(headers, VISITOR).filter(|text| Token::parse(text).is_some())
}

/// A visitor who has not been here before.
fn new_visitor() -> String {
    Token::new(random_bytes()).text()
}

impl Front {
    /// The language that the browser asks for; the shop's if it is not
    /// supported.
    pub(super) fn language_of(&self, headers: &HeaderMap) -> Language {
        let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        accept.and_then(Language::accepted).unwrap_or(self.language)
    }

    /// The visitor of a request, and the hidden field of forms for the visitor.
    #[must_use]
    pub(super) fn visitor(&self, headers: &HeaderMap) -> (String, String) {
        let visitor = visitor_in(headers).map_or_else(new_visitor, str::to_owned);
        let token = self.forms.sign(&[], visitor.as_bytes());
        (visitor, token)
    }
}
