//! A request to a service, with what its handlers need of it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tillgate_identity::origin::Sender;
use tillgate_kernel::{Language, Timestamp};
use tillgate_web::body::{BODY_BYTES_MAX as READ_BYTES_MAX, read_body};
use tillgate_web::server::Peer;

use crate::assertion::{Assertion, Assertions, HEADER};
use crate::form::{BODY_BYTES_MAX, Form, NotAForm};
use crate::service_client::{CalledBy, CalledFor, Caller};
use crate::sessions::Sessions;
use crate::username::Username;
use crate::{Refusal, cookie};

/// A service that answers requests.
pub trait Served: Send + Sync + 'static {
    /// The name by which other services call it.
    const NAME: &'static str;

    /// The shop's address as browsers write it.
    fn public_url(&self) -> &str;

    /// Reads what services in other processes assert.
    fn assertions(&self) -> &Assertions;

    fn now(&self) -> Timestamp;
}

/// A service that clients call.
pub trait ForClients: Served {
    fn sessions(&self) -> &Sessions;
}

/// The service that has the pages.
const PAGES: &str = "front";

/// A request to a service.
pub struct Asked<S> {
    pub service: Arc<S>,
    pub headers: HeaderMap,
    peer: Option<Peer>,
    called_by: Option<CalledBy>,
    /// The client whom it is for, once that is known.
    client: Option<Username>,
    body: Body,
}

impl<S: Served> FromRequest<Arc<S>> for Asked<S> {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, service: &Arc<S>) -> Result<Self, Self::Rejection> {
        let (head, body) = request.into_parts();
        let peer = head.extensions.get::<Peer>().copied();
        let called_by = head.extensions.get::<CalledBy>().copied();
        let client = head.extensions.get::<CalledFor>().map(|CalledFor(client)| client.clone());
        let (service, headers) = (Arc::clone(service), head.headers);
        Ok(Asked { service, headers, peer, called_by, client, body })
    }
}

impl<S: ForClients> Asked<S> {
    /// The client who is logged in. A service that calls for a client has asked
    /// already.
    pub async fn client(&mut self) -> Result<Username, Refusal> {
        if self.client.is_none() {
            self.client = self.asserted_client();
        }
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = self.service.sessions().client(&self.person()).await?;
        Ok(self.client.insert(client).clone())
    }
}

impl<S: Served> Asked<S> {
    fn asserted_client(&self) -> Option<Username> {
        self.headers.get(HEADER)?;
        Username::parse(&self.asserted()?.client?)
    }

    /// The language that the caller asks for; English if none is supported.
    pub fn language(&self) -> Language {
        let accept = self.text(header::ACCEPT_LANGUAGE.as_str());
        accept.and_then(Language::accepted).unwrap_or(Language::En)
    }

    /// What a service in another process asserts.
    fn asserted(&self) -> Option<Assertion> {
        let text = self.text(HEADER)?;
        let asserted = self.service.assertions().read(text, S::NAME, self.service.now());
        if asserted.is_none() {
            tracing::warn!(
                "a service's assertion is not accepted: the services have different keys in \
                 [shop], or their clocks differ by more than a minute"
            );
        }
        asserted
    }

    /// The service that calls, if it is one.
    pub fn calling_service(&self) -> Option<String> {
        match self.called_by {
            Some(CalledBy(service)) => Some(service.to_owned()),
            None => self.asserted().map(|asserted| asserted.service),
        }
    }

    /// The same, unless it is the pages: they pass on what people ask, and the
    /// person's session decides.
    pub fn calling_for_itself(&self) -> Option<String> {
        self.calling_service().filter(|service| service != PAGES)
    }

    /// The person whose request it is, to ask another service about.
    pub fn person(&self) -> Caller {
        Caller { client: self.client.clone(), ..Caller::of(&self.headers, self.peer) }
    }

    /// The address of the connection; of the person's, if another service calls
    /// on somebody's behalf.
    pub fn address(&self) -> Option<IpAddr> {
        match self.asserted() {
            Some(asserted) => asserted.address,
            None => self.peer.and_then(|Peer(peer)| peer),
        }
    }

    /// Refuses a change that another site's page has sent.
    pub fn same_site(&self) -> Result<(), Refusal> {
        let sender =
            Sender { fetch_site: self.text("sec-fetch-site"), origin: self.text("origin") };
        let is_other = sender.is_another_site(self.service.public_url());
        if is_other { Err(Refusal::CrossSite) } else { Ok(()) }
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
        let body = match self.body_of_json().await {
            Err(Refusal::TooLarge(_)) => return Err(Refusal::TooLarge(BODY_BYTES_MAX)),
            body => body?,
        };
        if body.len() > BODY_BYTES_MAX {
            return Err(Refusal::TooLarge(BODY_BYTES_MAX));
        }
        Form::of_json(&body).map_err(Refusal::Body)
    }

    async fn body_of_json(&mut self) -> Result<Bytes, Refusal> {
        let kind = self.text(header::CONTENT_TYPE.as_str());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Refusal::NotJsonType);
        }
        let body = std::mem::replace(&mut self.body, Body::empty());
        let (body, is_whole) = read_body(body).await.map_err(|_| Refusal::BrokenOff)?;
        if is_whole { Ok(body) } else { Err(Refusal::TooLarge(READ_BYTES_MAX)) }
    }

    /// Reads a body of at most so many bytes that is no JSON.
    pub async fn bytes(&mut self, bytes_max: usize) -> Result<Bytes, Refusal> {
        let body = std::mem::replace(&mut self.body, Body::empty());
        let (body, is_whole) = read_body(body).await.map_err(|_| Refusal::BrokenOff)?;
        let is_short = is_whole && body.len() <= bytes_max;
        if is_short { Ok(body) } else { Err(Refusal::TooLarge(bytes_max)) }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        cookie::find(&self.headers, name)
    }

    /// The answer to what gives nothing back.
    pub fn done(&self, outcome: Result<(), Refusal>) -> Response {
        match outcome {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(refusal) => refusal.into_response_in(self.language()),
        }
    }

    /// Reads what the operator's commands send, which has no form of its own.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Refusal> {
        let body = self.body_of_json().await?;
        let read = serde_json::from_slice(&body);
        read.map_err(|why| Refusal::Body(NotAForm::NotJson(why.to_string())))
    }

    /// An answer that everybody sees alike.
    pub fn shared(&self, outcome: Result<impl Serialize, Refusal>) -> Response {
        match outcome {
            Ok(data) => axum::Json(data).into_response(),
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
}
