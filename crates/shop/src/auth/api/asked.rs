//! A request, with what the handlers need of it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use tillgate_identity::origin::Sender;
use tillgate_identity::{Token, session};
use tillgate_kernel::Language;
use tillgate_kernel::text::clean;
use tillgate_web::body::read_body;
use tillgate_web::forwarded;
use tillgate_web::server::Peer;

use super::answers::ClientData;
use crate::auth::Auth;
use crate::auth::sign_in::{Opened, Visit};
use crate::form::{BODY_BYTES_MAX, Form};
use crate::{Refusal, assertion, cookie};

/// The cookie of a session.
const SESSION: &str = "sessionId";

/// The session that ends with a log-in may also be named by this cookie.
const OLD_SESSION: &str = "oldSessionId";

/// The cookie by which a device is known.
const DEVICE: &str = "device";

/// How long a device is known, in seconds: 400 days, which is the most that
/// browsers allow.
const DEVICE_SECONDS: u64 = 400 * 24 * 3600;

/// The longest name of a device that is kept, in characters.
const USER_AGENT_CHARACTERS_MAX: usize = 200;

/// A request to the service.
pub struct Asked {
    pub auth: Arc<Auth>,
    headers: HeaderMap,
    peer: Option<Peer>,
    body: Body,
}

impl FromRequest<Arc<Auth>> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, auth: &Arc<Auth>) -> Result<Asked, Self::Rejection> {
        let (head, body) = request.into_parts();
        let peer = head.extensions.get::<Peer>().copied();
        Ok(Asked { auth: Arc::clone(auth), headers: head.headers, peer, body })
    }
}

impl Asked {
    /// The language that the caller asks for; English if none is supported.
    pub fn language(&self) -> Language {
        let accept = self.text(header::ACCEPT_LANGUAGE.as_str());
        accept.and_then(Language::accepted).unwrap_or(Language::En)
    }

    /// The session of the request.
    pub fn session(&self) -> Option<Token> {
        self.cookie(SESSION).and_then(Token::parse)
    }

    /// Where the request comes from.
    pub fn visit(&self) -> Visit {
        let old = || self.cookie(OLD_SESSION).and_then(Token::parse);
        Visit {
            address: self.peer().and_then(|peer| {
                forwarded::sender(&self.auth.trusted_proxies, peer, &self.headers)
            }),
            session: self.session().or_else(old),
            device: self.cookie(DEVICE).map(str::to_owned),
            user_agent: self.user_agent(),
        }
    }

    /// The address of the connection; of the person's, if another service calls
    /// on somebody's behalf.
    fn peer(&self) -> Option<std::net::IpAddr> {
        let now = self.auth.clock.now();
        let asserted = self.text(assertion::HEADER);
        let asserted = asserted.and_then(|value| self.auth.assertions.read(value, "auth", now));
        match asserted {
            Some(asserted) => asserted.address,
            None if self.text(assertion::HEADER).is_some() => {
                tracing::warn!(
                    "a service's assertion is not accepted: the services have different keys in \
                     [shop], or their clocks differ by more than a minute"
                );
                self.peer.and_then(|Peer(peer)| peer)
            }
            None => self.peer.and_then(|Peer(peer)| peer),
        }
    }

    /// Refuses a change that another site's page has sent.
    pub fn same_site(&self) -> Result<(), Refusal> {
        let sender =
            Sender { fetch_site: self.text("sec-fetch-site"), origin: self.text("origin") };
        if sender.is_another_site(&self.auth.public_url) { Err(Refusal::CrossSite) } else { Ok(()) }
    }

    /// Reads the fields of a change.
    pub async fn change<T>(
        &mut self,
        read: impl FnOnce(Form) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.same_site()?;
        read(self.form().await?)
    }

    async fn form(&mut self) -> Result<Form, Refusal> {
        let kind = self.text(header::CONTENT_TYPE.as_str());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Refusal::NotJsonType);
        }
        let body = std::mem::replace(&mut self.body, Body::empty());
        let (body, is_whole) = read_body(body).await.map_err(|_| Refusal::BrokenOff)?;
        if !is_whole || body.len() > BODY_BYTES_MAX {
            return Err(Refusal::TooLarge(BODY_BYTES_MAX));
        }
        Form::of_json(&body).map_err(Refusal::Body)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        cookie::find(&self.headers, name)
    }

    fn user_agent(&self) -> Option<String> {
        let text = clean(self.text(header::USER_AGENT.as_str())?);
        let text: String = text.chars().take(USER_AGENT_CHARACTERS_MAX).collect();
        (!text.trim().is_empty()).then_some(text)
    }

    /// The answer to what gives nothing back.
    pub fn done(&self, outcome: Result<(), Refusal>) -> Response {
        match outcome {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(refusal) => refusal.into_response_in(self.language()),
        }
    }

    /// An answer with personal data, which nobody may keep.
    pub fn personal(&self, outcome: Result<impl Serialize, Refusal>) -> Response {
        match outcome {
            Ok(data) => {
                let mut response = axum::Json(data).into_response();
                let kept = HeaderValue::from_static("no-store");
                response.headers_mut().insert(header::CACHE_CONTROL, kept);
                response
            }
            Err(refusal) => refusal.into_response_in(self.language()),
        }
    }

    /// The answer with a session that has begun.
    pub fn opened(&self, outcome: Result<Opened, Refusal>) -> Response {
        let opened = match outcome {
            Ok(opened) => opened,
            Err(refusal) => return refusal.into_response_in(self.language()),
        };
        let mut response = self.personal(Ok(ClientData::of(&opened.client, &opened.profile)));
        let seconds = u64::from(session::DAYS_MAX) * 24 * 3600;
        self.set_cookie(&mut response, SESSION, &opened.session.text(), seconds);
        self.set_cookie(&mut response, DEVICE, &opened.device, DEVICE_SECONDS);
        response
    }

    /// The answer without a session.
    pub fn closed(&self, outcome: Result<(), Refusal>) -> Response {
        match outcome {
            Ok(()) => {
                let mut response = StatusCode::OK.into_response();
                self.set_cookie(&mut response, SESSION, "", 0);
                response
            }
            Err(refusal) => refusal.into_response_in(self.language()),
        }
    }

    fn set_cookie(&self, response: &mut Response, name: &str, value: &str, seconds: u64) {
        let secure = if self.auth.is_secure() { "; Secure" } else { "" };
        let cookie =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let cookie = HeaderValue::from_str(&cookie).expect("names and values need no escaping");
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
