//! Calls of another service's HTTP contract. In the same process the service's
//! routes are called as a value: with the same limits, bodies and statuses as
//! over a socket, and no second interface to keep true.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;
use tillgate_web::body::read_body;
use tillgate_web::server::Peer;
use tower_service::Service;

use crate::Refusal;

/// Another service.
#[derive(Debug, Clone)]
pub struct ServiceClient {
    routes: Router,
}

/// On whose behalf a call is made: what a person's request says of the person
/// and the device.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    pub cookies: Vec<HeaderValue>,
    pub language: Option<HeaderValue>,
    pub user_agent: Option<HeaderValue>,
    pub peer: Option<Peer>,
    pub forwarded_for: Vec<HeaderValue>,
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
            forwarded_for: all("x-forwarded-for"),
        }
    }
}

/// The answer of a service.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl ServiceClient {
    /// A service in this process.
    #[must_use]
    pub const fn of(routes: Router) -> ServiceClient {
        ServiceClient { routes }
    }

    /// Calls the service.
    ///
    /// # Errors
    /// When its answer cannot be read.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        caller: &Caller,
        body: Option<&Value>,
    ) -> Result<Reply, Refusal> {
        let mut request = Request::builder().method(method).uri(path);
        for cookie in &caller.cookies {
            request = request.header(header::COOKIE, cookie);
        }
        for address in &caller.forwarded_for {
            request = request.header("x-forwarded-for", address);
        }
        if let Some(language) = &caller.language {
            request = request.header(header::ACCEPT_LANGUAGE, language);
        }
        if let Some(user_agent) = &caller.user_agent {
            request = request.header(header::USER_AGENT, user_agent);
        }
        if let Some(peer) = &caller.peer {
            request = request.extension(*peer);
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Body::from(bytes)).map_err(|why| {
            tracing::error!(error = %why, "a call of a service could not be made");
            Refusal::Unavailable
        })?;
        let Ok(response) = self.routes.clone().call(request).await;
        let (head, body) = response.into_parts();
        let (bytes, _) = read_body(body).await.map_err(|_| Refusal::Unavailable)?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}
