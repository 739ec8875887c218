//! A marketplace: posts hooks, waits 5 seconds for each answer, and retries up
//! to seven times.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use tillgate_kernel::{Secret, Stopwatch};
use tillgate_peer::{ANSWER_BYTES_MAX, Client, ClientError, RetryPolicy};

/// How long the marketplace waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many times it retries a hook.
pub const RETRIES: u32 = 7;

/// The first pause between its attempts. Each later one is twice as long.
pub const FIRST_GAP: Duration = Duration::from_secs(1);

/// A marketplace that sends hooks to one gateway.
#[derive(Debug, Clone)]
pub struct Marketplace {
    client: Client,
    url: String,
    token: Secret,
    retries: u32,
    first_gap: Duration,
}

/// The outcome of one attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The status and body of the answer, or why there was none.
    pub answer: Result<(u16, String), String>,
    /// The time from sending the request to the answer or error.
    pub took: Duration,
}

impl Attempt {
    /// Whether the marketplace accepts the answer and stops retrying.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.answer, Ok((200..=299, _)))
    }

    /// The status of the answer; 0 if there was none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |(status, _)| *status)
    }

    /// The body of the answer; empty if there was none.
    #[must_use]
    pub fn body(&self) -> &str {
        self.answer.as_ref().map_or("", |(_, body)| body)
    }
}

impl Marketplace {
    /// Creates a marketplace that posts to `url` with `token`, and does not
    /// retry.
    pub fn new(url: impl Into<String>, token: Secret) -> Result<Marketplace, ClientError> {
        let client = Client::new(PATIENCE, ANSWER_BYTES_MAX)?;
        Ok(Marketplace { client, url: url.into(), token, retries: 0, first_gap: FIRST_GAP })
    }

    /// The same marketplace, but with up to seven retries. The first pause is
    /// `first_gap`.
    #[must_use]
    pub fn with_retries(self, first_gap: Duration) -> Marketplace {
        Marketplace { retries: RETRIES, first_gap, ..self }
    }

    /// Posts a hook until it is acknowledged or no retries are left. Calls
    /// `report` after every attempt.
    pub async fn deliver(&self, body: &[u8], mut report: impl FnMut(&Attempt)) -> Attempt {
        let policy = RetryPolicy {
            first: self.first_gap,
            longest: self.first_gap.saturating_mul(1 << RETRIES),
            give_up_after: Duration::MAX,
        };
        let mut attempts = 0;
        loop {
            let attempt = self.post(body).await;
            report(&attempt);
            attempts += 1;
            if attempt.is_acknowledged() || attempts > self.retries {
                return attempt;
            }
            let gap = policy.delay(attempts, Duration::ZERO, None).unwrap_or(policy.longest);
            tokio::time::sleep(gap).await;
        }
    }

    /// Posts a hook once.
    pub async fn post(&self, body: &[u8]) -> Attempt {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(token) = HeaderValue::from_str(self.token.expose()) {
            headers.insert(HeaderName::from_static("client-token"), token);
        }
        let watch = Stopwatch::start();
        let reply = self.client.call(Method::POST, &self.url, headers, body.to_vec()).await;
        let answer = match reply {
            Ok(reply) => {
                Ok((reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned()))
            }
            Err(why) => Err(why.to_string()),
        };
        Attempt { answer, took: watch.elapsed() }
    }
}
