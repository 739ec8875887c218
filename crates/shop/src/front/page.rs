//! Rendering of pages, and their headers.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tillgate_kernel::Language;

use super::Front;
use super::pay_words::{PayWords, pay_words};
use super::posted::Received;
use super::visitor::VISITOR;
use super::words::{Words, words};
use crate::Refusal;
use crate::service_client::Reply;

/// What all pages have.
#[derive(Debug)]
pub struct Frame {
    pub lang: &'static str,
    pub words: &'static Words,
    pub pay: &'static PayWords,
    pub shop: String,
}

impl Front {
    pub(super) fn frame(&self, headers: &HeaderMap) -> Frame {
        let language = self.language_of(headers);
        Frame {
            lang: language.code(),
            words: words(language),
            pay: pay_words(language),
            shop: self.name.clone(),
        }
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

/// A page that says that something was done.
#[derive(Debug, Template)]
#[template(path = "note.html")]
pub struct Note {
    pub frame: Frame,
    pub title: &'static str,
    pub text: &'static str,
    /// Where to go from here: address and name.
    pub link: (&'static str, &'static str),
}

/// A page that says why something was not done.
#[derive(Debug, Template)]
#[template(path = "apology.html")]
struct Apology {
    frame: Frame,
    problem: String,
}

impl Front {
    /// A page that says why a request failed.
    pub(super) fn sorry(&self, refusal: &Refusal, headers: &HeaderMap) -> Response {
        let (visitor, _) = self.visitor(headers);
        let apology = Apology {
            frame: self.frame(headers),
            problem: refusal.text(self.language_of(headers)),
        };
        let mut response = self.page(&apology, refusal.kind().0, &visitor);
        if let Some(seconds) = refusal.retry_after_seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// A page with what a service says is wrong.
    pub(super) fn apology(&self, reply: &Reply, received: &Received) -> Response {
        self.refused(reply, &received.headers)
    }

    /// The same after a request without a form.
    pub(super) fn refused(&self, reply: &Reply, headers: &HeaderMap) -> Response {
        let (visitor, _) = self.visitor(headers);
        let problem = reply.body()["detail"].as_str().unwrap_or_default().to_owned();
        let page = Apology { frame: self.frame(headers), problem };
        with_pause(self.page(&page, reply.status, &visitor), reply)
    }
}

/// The answer with the pause that a service asks for.
pub fn with_pause(mut response: Response, reply: &Reply) -> Response {
    if let Some(pause) = reply.headers.get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, pause.clone());
    }
    response
}

/// Pages load nothing from other sites, are shown in no other page, and are
/// kept by nobody.
fn guard(headers: &mut HeaderMap) {
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                          connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
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
