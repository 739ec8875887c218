//! Forms that a browser has posted.

use std::collections::BTreeMap;

use axum::extract::FromRequest;
use axum::extract::Request;
use axum::extract::rejection::FormRejection;
use http::HeaderMap;
use serde_json::{Map, Value};
use tillgate_identity::origin::Sender;
use tillgate_kernel::Language;
use tillgate_web::server::Peer;

use super::Front;
use super::visitor::visitor_in;
use crate::Refusal;
use crate::service_client::Caller;

/// The hidden field that shows that a form is ours.
pub const TOKEN: &str = "form_token";

/// The fields of a form.
#[derive(Debug, Default)]
pub struct Posted(BTreeMap<String, String>);

impl Posted {
    /// Reads a form. Of several fields with one name the last counts.
    ///
    /// # Errors
    /// When it is no form, or too long.
    pub async fn read(request: Request) -> Result<Posted, Refusal> {
        let read = axum::Form::<Vec<(String, String)>>::from_request(request, &()).await;
        let axum::Form(fields) = read.map_err(|why: FormRejection| {
            tracing::debug!(error = %why, "a form could not be read");
            Refusal::BrokenOff
        })?;
        Ok(Posted(fields.into_iter().collect()))
    }

    /// The value of a field; empty if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Those of these fields that were sent, as a request of a service.
    #[must_use]
    pub fn as_json(&self, fields: &[&str]) -> Value {
        let sent = fields.iter().filter_map(|name| Some((*name, self.0.get(*name)?)));
        let pairs = sent.map(|(name, value)| (name.to_owned(), Value::from(value.as_str())));
        Value::Object(pairs.collect::<Map<_, _>>())
    }
}

/// A form that was posted, and by whom.
#[derive(Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub posted: Posted,
    pub caller: Caller,
    pub language: Language,
    /// The visitor, and the hidden field of the next form.
    pub visitor: String,
    pub token: String,
    /// Whether one of our own pages has sent it.
    pub is_ours: bool,
}

impl Front {
    /// Reads a form. One that cannot be read is empty, and not ours.
    pub(super) async fn receive(&self, request: Request) -> Received {
        let headers = request.headers().clone();
        let peer = request.extensions().get::<Peer>().copied();
        let read = Posted::read(request).await;
        let is_read = read.is_ok();
        let posted = read.unwrap_or_default();
        let (visitor, token) = self.visitor(&headers);
        Received {
            caller: Caller::of(&headers, peer),
            language: self.language_of(&headers),
            is_ours: is_read && self.is_from_us(&headers, &posted),
            visitor,
            token,
            posted,
            headers,
        }
    }

    /// Whether one of our own pages has sent a form: its browser says so, or it
    /// has the hidden field.
    fn is_from_us(&self, headers: &HeaderMap, posted: &Posted) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let sender = Sender { fetch_site: text("sec-fetch-site"), origin: text("origin") };
        if sender.is_another_site(&self.public_url) {
            return false;
        }
        let is_known = sender.origin.is_some() || sender.fetch_site == Some("same-origin");
        is_known || self.has_token(headers, posted)
    }

    fn has_token(&self, headers: &HeaderMap, posted: &Posted) -> bool {
        visitor_in(headers)
            .and_then(|visitor| self.forms.read(posted.get(TOKEN), visitor.as_bytes()))
            .is_some_and(|value| value.is_empty())
    }
}
