//! How a call of a payment system failed.

use std::time::Duration;

use crate::payments::{CallOutcome, Refusal, RetryReason};
use crate::peer::Reply;

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Certainly not carried out: no byte was sent, or the payment system said so and may be asked again.
    #[error("{why}")]
    NotDone {
        /// What the matter is.
        why: String,
        /// When it wants to be asked again.
        wish: Option<Duration>,
    },
    /// We are not who we say: nothing can be believed that is read now.
    #[error("{0}")]
    NoAccess(String),
    /// Refused, and it would be again.
    #[error("{0}")]
    Refused(String),
    /// The number has been used.
    #[error("its number is known to the payment system")]
    Duplicate,
    /// No answer came, or one that says that it is down: it may or may not have been carried out.
    #[error("{0}")]
    Unknown(String),
    /// It answered, and what that means is not clear: it may or may not have been carried out.
    #[error("{0}")]
    Unclear(String),
}

impl Failure {
    /// What it means for what the call was to make.
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

    /// What it is as the reason of a later attempt.
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

/// The most of an error's text that is kept, in characters.
const WHY_CHARS_MAX: usize = 500;

/// What a payment system said, in one line of bounded length.
pub(in crate::gateway) fn one_line(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WHY_CHARS_MAX).collect()
}

/// How long a payment system wants not to be called that answers 429.
pub(in crate::gateway) fn wish_in(reply: &Reply) -> Duration {
    let told = reply.headers.get(http::header::RETRY_AFTER).and_then(|told| told.to_str().ok());
    told.and_then(|told| told.parse().ok()).map_or(BUSY_PAUSE, Duration::from_secs)
}

/// The pause where it does not say how long.
const BUSY_PAUSE: Duration = Duration::from_secs(3);
