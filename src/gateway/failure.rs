//! Failures of calls to a payment system.

use std::time::Duration;

use crate::payments::{CallOutcome, Refusal, RetryReason};
use crate::peer::Reply;

/// A failed call, classified by whether it may have been carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Certainly not carried out: no byte was sent, or the payment system said
    /// so. The call can be retried.
    #[error("{why}")]
    NotDone {
        /// Describes what went wrong.
        why: String,
        /// The time to wait before a retry, if the payment system gave one.
        retry_after: Option<Duration>,
    },
    /// Our credentials were not accepted. Until they are, answers to reads
    /// prove nothing.
    #[error("{0}")]
    NoAccess(String),
    /// Refused for good: a retry would be refused too.
    #[error("{0}")]
    Refused(String),
    /// Our number has been used before.
    #[error("the payment system already has an order or operation with this number")]
    Duplicate,
    /// No answer came, an unreadable one, or one that says that the payment
    /// system is down. The call may or may not have been carried out.
    #[error("{0}")]
    Unknown(String),
    /// The payment system answered, but the meaning is unclear. The call may or
    /// may not have been carried out.
    #[error("{0}")]
    Unclear(String),
}

impl Failure {
    /// The outcome of a call that was to create something.
    #[must_use]
    pub fn meaning<T>(self) -> CallOutcome<T> {
        match self {
            Failure::NotDone { why: said, .. } | Failure::NoAccess(said) => {
                CallOutcome::NotDone(RetryReason::CallFailed { said })
            }
            Failure::Refused(said) => CallOutcome::Refused(Refusal::ByPaymentSystem { said }),
            Failure::Duplicate => CallOutcome::Duplicate,
            Failure::Unknown(said) | Failure::Unclear(said) => {
                CallOutcome::Unknown(RetryReason::CallFailed { said })
            }
        }
    }

    /// The failure as the reason for a retry.
    #[must_use]
    pub fn reason(&self) -> RetryReason {
        match self {
            Failure::NotDone { why: said, .. }
            | Failure::NoAccess(said)
            | Failure::Refused(said)
            | Failure::Unknown(said)
            | Failure::Unclear(said) => RetryReason::CallFailed { said: said.clone() },
            Failure::Duplicate => RetryReason::NumberUsed,
        }
    }
}

/// The maximum length of a stored error text, in characters.
const WHY_CHARS_MAX: usize = 500;

/// Collapses a payment system's error text to one line and cuts it to
/// [`WHY_CHARS_MAX`].
pub(in crate::gateway) fn one_line(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WHY_CHARS_MAX).collect()
}

/// How long to wait after an answer 429: its `Retry-After` in seconds, or
/// [`BUSY_PAUSE`].
pub(in crate::gateway) fn retry_after_in(reply: &Reply) -> Duration {
    let value = reply.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).map_or(BUSY_PAUSE, Duration::from_secs)
}

/// The pause when an answer 429 has no usable `Retry-After`.
const BUSY_PAUSE: Duration = Duration::from_secs(3);
