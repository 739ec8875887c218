//! Rendering of pages, and their headers.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tillgate_identity::Token;
use tillgate_kernel::Language;
use tillgate_kernel::chance::random_bytes;

use super::Front;
use super::words::{Words, words};
use crate::Refusal;
use crate::service_client::Reply;

/// The cookie of a visitor, to which forms are bound.
const VISITOR: &str = "visitor";

/// What all pages have.
#[derive(Debug)]
pub struct Frame {
    pub lang: &'static str,
    pub words: &'static Words,
    pub shop: String,
}

impl Front {
    pub(super) fn frame(&self, headers: &HeaderMap) -> Frame {
        let language = language_of(headers);
        Frame { lang: language.code(), words: words(language), shop: self.name.clone() }
    }

    /// A page, with the cookie of its visitor.
    pub(super) fn page(&self, page: &impl Template, status: StatusCode, visitor: &str) -> Response {
        let mut response = match page.render() {
            Ok(html) => (status, html).into_response(),
            Err(why) => {
                tracing::error!(error = %why, "a page could not be rendered");
                return Refusal::Unavailable.into_response_in(Language::Ru);
            }
        };
        guard(response.headers_mut());
        let secure = if self.public_url.starts_with("https:") { "; Secure" } else { "" };
        let cookie = format!("{VISITOR}={visitor}; Path=/; HttpOnly; SameSite=Lax{secure}");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// Leads to another page, with the cookies that a service has set.
pub fn lead(to: &str, reply: &Reply) -> Response {
    let mut response = Redirect::to(to).into_response();
    for cookie in reply.headers.get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    response
}

/// Pages load nothing from other sites, are shown in no other page, and are
/// kept by nobody.
fn guard(headers: &mut HeaderMap) {
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                          base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "accept-language, cookie"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The language that the browser asks for; Russian if none is supported.
pub fn language_of(headers: &HeaderMap) -> Language {
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    accept.and_then(Language::accepted).unwrap_or(Language::Ru)
}

/// The visitor in a request's cookies.
pub fn visitor_in(headers: &HeaderMap) -> Option<&str> {
    crate::cookie::find(headers, VISITOR).filter(|text| Token::parse(text).is_some())
}

/// A visitor who has not been here before.
pub fn new_visitor() -> String {
    Token::new(random_bytes()).text()
}
