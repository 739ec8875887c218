//! Calls of another service's HTTP contract. In the same process the service's
//! routes are called as a value: with the same limits, bodies and statuses as
//! over a socket, and no second interface to keep true. In another process they
//! are called over HTTP, with a signed assertion of who calls.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tillgate_kernel::Clock;
use tillgate_peer::{Client, ClientError, Failure};
use tillgate_web::body::read_body;
use tillgate_web::server::Peer;
use tower_service::Service;

use crate::Refusal;
use crate::assertion::{Assertions, HEADER};
use crate::username::Username;

/// How long a call of a service may take, in seconds.
const CALL_SECONDS_MAX: u64 = 10;

/// The longest answer of a service, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Another service.
#[derive(Debug, Clone)]
pub enum ServiceClient {
    /// In this process, called by the service with this name.
    Here { routes: Arc<OnceLock<Router>>, caller: CalledBy },
    /// In another process.
    There(Box<Remote>),
}

/// The routes of a service of this process. They may be put here later: two
/// services may call each other.
#[derive(Debug, Clone, Default)]
pub struct Routes(Arc<OnceLock<Router>>);

impl Routes {
    /// A client of them, for the service `caller`.
    #[must_use]
    pub fn client(&self, caller: &'static str) -> ServiceClient {
        ServiceClient::Here { routes: Arc::clone(&self.0), caller: CalledBy(caller) }
    }

    /// Puts them here. They are put here once.
    pub fn put(&self, routes: Router) {
        if self.0.set(routes).is_err() {
            tracing::error!("the routes of a service were made twice; the first ones are called");
        }
    }
}

/// Which service of this process calls: nobody else can put it into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalledBy(pub &'static str);

/// Which client a service of this process calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledFor(pub Username);

/// A service in another process.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Client,
    /// The address of its routes.
    url: String,
    /// The names of the service, and of the one that calls it.
    name: &'static str,
    caller: &'static str,
    assertions: Assertions,
    clock: Clock,
}

/// On whose behalf a call is made: what a person's request says of the person
/// and the device.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    pub cookies: Vec<HeaderValue>,
    pub language: Option<HeaderValue>,
    pub user_agent: Option<HeaderValue>,
    pub peer: Option<Peer>,
    /// The client, if the service has asked `auth` who that is.
    pub client: Option<Username>,
    pub forwarded_for: Vec<HeaderValue>,
    /// Of the request that is sent, if it has one.
    pub idempotency_key: Option<HeaderValue>,
}

impl Caller {
    /// The caller whose request has these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap, peer: Option<Peer>) -> Caller {
        let all = |name: &str| headers.get_all(name).iter().cloned().collect();
        Caller {
            cookies: all("cookie"),
            language: headers.get(header::ACCEPT_LANGUAGE).cloned(),
            user_agent: headers.get(header::USER_AGENT).cloned(),
            peer,
            client: None,
            forwarded_for: all("x-forwarded-for"),
            idempotency_key: None,
        }
    }

    fn headers(&self, has_body: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in &self.cookies {
            headers.append(header::COOKIE, cookie.clone());
        }
        for address in &self.forwarded_for {
            headers.append("x-forwarded-for", address.clone());
        }
        if let Some(key) = &self.idempotency_key {
            headers.insert("idempotency-key", key.clone());
        }
        if let Some(language) = &self.language {
            headers.insert(header::ACCEPT_LANGUAGE, language.clone());
        }
        if let Some(user_agent) = &self.user_agent {
            headers.insert(header::USER_AGENT, user_agent.clone());
        }
        if has_body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers
    }

    fn address(&self) -> Option<IpAddr> {
        self.peer.and_then(|Peer(address)| address)
    }
}

/// The answer of a service.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    bytes: Bytes,
    read: OnceLock<Value>,
}

impl Reply {
    fn new(status: StatusCode, headers: HeaderMap, bytes: Bytes) -> Reply {
        Reply { status, headers, bytes, read: OnceLock::new() }
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn body(&self) -> &Value {
        self.read.get_or_init(|| serde_json::from_slice(&self.bytes).unwrap_or(Value::Null))
    }

    /// The body as it is.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Reads the body. Unlike [`Reply::body`], it keeps the digits of sums.
    ///
    /// # Errors
    /// When the service has answered something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.bytes).map_err(|why| {
            tracing::error!(error = %why, "the answer of a service cannot be read");
            Refusal::Unavailable
        })
    }
}

impl ServiceClient {
    /// A service in this process, for the service `caller`.
    #[must_use]
    pub fn of(routes: Router, caller: &'static str) -> ServiceClient {
        let place = Routes::default();
        place.put(routes);
        place.client(caller)
    }

    /// The service `name` in the process at `url`, for the service `caller`.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn at(
        url: &str,
        name: &'static str,
        caller: &'static str,
        assertions: Assertions,
        clock: Clock,
    ) -> Result<ServiceClient, ClientError> {
        let client = Client::new(Duration::from_secs(CALL_SECONDS_MAX), ANSWER_BYTES_MAX)?;
        let url = format!("{}/shop/{name}", url.trim_end_matches('/'));
        let remote = Remote { client, url, name, caller, assertions, clock };
        Ok(ServiceClient::There(Box::new(remote)))
    }

    /// Calls the service.
    ///
    /// # Errors
    /// When it cannot be reached, or its answer cannot be read.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        caller: &Caller,
        body: Option<&Value>,
    ) -> Result<Reply, Refusal> {
        let headers = caller.headers(body.is_some());
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        match self {
            ServiceClient::Here { routes, caller: called_by } => {
                let mut request = Request::builder().method(method).uri(path).extension(*called_by);
                if let Some(peer) = &caller.peer {
                    request = request.extension(*peer);
                }
                if let Some(client) = &caller.client {
                    request = request.extension(CalledFor(client.clone()));
                }
                let request = request.body(Body::from(body)).map_err(|why| {
                    tracing::error!(error = %why, "a call of a service could not be made");
                    Refusal::Unavailable
                })?;
                let (mut head, body) = request.into_parts();
                head.headers = headers;
                let Some(routes) = routes.get() else {
                    tracing::error!(path, "a service was called before it was there");
                    return Err(Refusal::Unavailable);
                };
                let Ok(response) = routes.clone().call(Request::from_parts(head, body)).await;
                let (head, body) = response.into_parts();
                let (bytes, is_whole) = read_body(body).await.map_err(|_| Refusal::Unavailable)?;
                if !is_whole {
                    tracing::error!(path, "the answer of a service is longer than is read");
                    return Err(Refusal::Unavailable);
                }
                Ok(Reply::new(head.status, head.headers, bytes))
            }
            ServiceClient::There(remote) => remote.call(method, path, caller, headers, body).await,
        }
    }
}

impl Remote {
    async fn call(
        &self,
        method: Method,
        path: &str,
        caller: &Caller,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, Refusal> {
        let now = self.clock.now();
        let (address, client) = (caller.address(), caller.client.as_ref());
        let assertion = self.assertions.make(self.caller, self.name, address, client, now);
        if let Ok(value) = HeaderValue::from_str(&assertion) {
            headers.insert(HEADER, value);
        }
        let url = format!("{}{path}", self.url);
        let once = || self.client.call(method.clone(), &url, headers.clone(), body.to_vec());
        let mut reply = once().await;
        // Only what has certainly changed nothing is repeated.
        let is_repeatable = match &reply {
            Err(Failure::NotSent(_)) => true,
            Err(Failure::Unknown(_)) => method == Method::GET,
            Ok(_) => false,
        };
        if is_repeatable {
            reply = once().await;
        }
        let reply = reply.map_err(|why| {
            tracing::error!(service = self.name, error = %why, "a service cannot be called");
            match why {
                Failure::Unknown(_) if method != Method::GET => Refusal::NotKnown,
                Failure::Unknown(_) | Failure::NotSent(_) => Refusal::Unavailable,
            }
        })?;
        Ok(Reply::new(reply.status, reply.headers, reply.body.into()))
    }
}
