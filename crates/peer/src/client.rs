//! The HTTP client for all outgoing requests.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use reqwest::redirect;
use serde::de::DeserializeOwned;

use super::guard::Guard;
use tillgate_kernel::json::tidy;

/// How long connecting to a peer may take.
const CONNECT_SECONDS_MAX: u64 = 3;

/// The maximum number of bytes read from the answer of a peer on the internet.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// The `User-Agent` of our requests.
const USER_AGENT: &str = concat!("tillgate/", env!("CARGO_PKG_VERSION"));

/// A client for calling peers.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    answer_bytes_max: usize,
    guard: Option<Guard>,
}

/// How a client reaches its peers.
enum Way<'a> {
    Open,
    Guarded(Guard),
    Socket(&'a Path),
}

/// The client could not be built: the machine has no usable TLS roots, or not
/// enough memory.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot build the HTTP client: {0}. Are the system's CA certificates installed \
     (ca-certificates)?"
)]
pub struct ClientError(String);

/// How a call failed. The difference decides what may be done next: only a
/// request that was certainly not sent may be repeated without further checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No byte of the request reached the peer.
    #[error("{0}")]
    NotSent(String),
    /// The peer may or may not have acted: the connection broke, or the
    /// deadline passed.
    #[error("{0}")]
    Unknown(String),
}

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body, at most as long as the client's limit.
    pub body: Vec<u8>,
}

impl Reply {
    /// Parses the body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&tidy(&self.body).text)
    }
}

impl Client {
    /// Creates a client whose calls take at most `deadline`, from connecting to
    /// the last byte, and which reads at most `answer_bytes_max` of an answer.
    pub fn new(deadline: Duration, answer_bytes_max: usize) -> Result<Client, ClientError> {
        Client::build(deadline, answer_bytes_max, Way::Open)
    }

    /// Like [`Client::new`], for a program that listens on a unix socket. All
    /// requests go there, whatever host a URL names.
    pub fn at_socket(
        path: &Path,
        deadline: Duration,
        answer_bytes_max: usize,
    ) -> Result<Client, ClientError> {
        Client::build(deadline, answer_bytes_max, Way::Socket(path))
    }

    /// Like [`Client::new`], for addresses that came in a request: the guard
    /// decides which may be called.
    pub fn guarded(
        deadline: Duration,
        answer_bytes_max: usize,
        guard: Guard,
    ) -> Result<Client, ClientError> {
        Client::build(deadline, answer_bytes_max, Way::Guarded(guard))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the file that the ban points to")]
    fn build(
        deadline: Duration,
        answer_bytes_max: usize,
        way: Way<'_>,
    ) -> Result<Client, ClientError> {
        let builder = reqwest::Client::builder();
        let (builder, guard) = match way {
            Way::Open => (builder, None),
            Way::Guarded(guard) => (builder.dns_resolver(guard.clone()), Some(guard)),
            Way::Socket(path) => (builder.unix_socket(path), None),
        };
        let inner = builder
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .timeout(deadline)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .pool_max_idle_per_host(8)
            .user_agent(USER_AGENT)
            .build();
        inner
            .map(|inner| Client { inner, answer_bytes_max, guard })
            .map_err(|why| ClientError(innermost(&why)))
    }

    /// Sends a request and reads the answer, whatever its status. A longer body
    /// is cut.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Reply, Failure> {
        if let Some(guard) = &self.guard {
            // An IP address in the URL needs no look-up, so the resolver would
            // not check it.
            guard
                .admit(url)
                .map_err(|why| Failure::NotSent(format!("the address is not called: {why}")))?;
        }
        let request = self.inner.request(method, url).headers(headers).body(body);
        let mut answer = request.send().await.map_err(|why| failure(&why))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        while body.len() < self.answer_bytes_max {
            match answer.chunk().await.map_err(|why| failure(&why))? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
        }
        body.truncate(self.answer_bytes_max);
        Ok(Reply { status, headers, body })
    }
}

impl Client {
    /// Calls an address and returns its status. The body is not read.
    pub async fn look(&self, url: &str) -> Result<http::StatusCode, Failure> {
        let answer = self.inner.get(url).send().await.map_err(|why| failure(&why))?;
        Ok(answer.status())
    }
}

/// reqwest's own message contains the URL, and the URL of a Telegram bot
/// contains its token. So only the cause is reported.
fn failure(why: &reqwest::Error) -> Failure {
    let text = innermost(why);
    if why.is_connect() || why.is_builder() {
        Failure::NotSent(format!("cannot connect: {text}"))
    } else if why.is_timeout() {
        Failure::Unknown("no answer within the time allowed".into())
    } else {
        Failure::Unknown(format!("the connection broke: {text}"))
    }
}

/// The last cause in a chain of errors: the message of the operating system.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    let mut text = "the request cannot be built".to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}
