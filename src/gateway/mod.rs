//! Payment systems: one trait, and a folder for each.
//!
//! A [`Provider`] turns a bill into the request that is sent, sends it, looks for what was sent, alters it and calls it off. It
//! keeps nothing and decides nothing: what a call came to is reported in the words of
//! [`payments`](crate::payments), where the difference between "certainly not" and "nobody knows" is made. What
//! every provider must do is written down as tests in `conformance`, which run on each of them against its sandbox.
//!
//! Notifications, which come from the payment system, are read in its folder too, by the rules of
//! [`webhooks`](crate::webhooks).

mod breaker;
#[cfg(test)]
mod conformance;
pub mod invoicebox;
pub mod sandbox;
pub mod section;
pub mod yookassa;

pub use breaker::Breaker;
pub use section::Gateway;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use crate::kernel::Timestamp;
use crate::payments::{
    Allowance, Bill, CallOutcome, Handover, Operation, OperationKind, PaymentId, Refusal, Remote,
    RemoteOperation, RetryReason, Terms,
};
use crate::peer::Reply;

/// The longest deadline that a payment system may have for one call.
pub const CALL_SECONDS_MAX: u64 = 35;

/// A call under way.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

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

/// Where the payment system sends the buyer, and its notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// After a payment.
    pub success: String,
    /// When a payment failed.
    pub fail: String,
    /// Back to the shop.
    pub back: String,
    /// For the notification.
    pub notice: String,
}

/// A payment system.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Who we are there.
    fn account(&self) -> &str;

    /// How many calls it allows us, if it is known to count them.
    fn allowance(&self) -> Option<Allowance> {
        None
    }

    /// What it hears when goods are handed over.
    fn handover(&self) -> Handover;

    /// What it asks of a bill.
    fn terms(&self) -> Terms;

    /// The request that asks for a payment, as it is sent. It depends on its arguments alone. The error says what
    /// cannot be billed.
    fn freeze(&self, id: PaymentId, bill: &Bill, addresses: &Addresses) -> Result<String, String>;

    /// Proves that we are known there, as far as the payment system allows.
    fn identify(&self) -> Call<'_, ()>;

    /// Sends a request.
    fn create<'a>(&'a self, request: &'a str) -> Call<'a, Remote>;

    /// Looks for orders under a number of ours that was first sent after `since`, having proved who we are: to a stranger
    /// everything is absent.
    fn find(&self, id: PaymentId, since: Timestamp) -> Call<'_, Vec<Remote>>;

    /// Reads an order.
    fn read<'a>(&'a self, remote_id: &'a str) -> Call<'a, Remote>;

    /// Calls an order off. Money may move by this: see where it stands first.
    fn cancel<'a>(&'a self, remote_id: &'a str) -> Call<'a, Remote>;

    /// Tells it what else is to be said of an order that waits for its buyer: in which words, to whom, until when. The sums
    /// of `bill` are those that were asked for. None where a payment system cannot be told.
    fn alter<'a>(&'a self, remote_id: &'a str, bill: &'a Bill) -> Option<Call<'a, Remote>>;

    /// The request for something to be done with the money of the order `remote_id`, which was made for `bill`, as it is
    /// sent. It depends on its arguments alone.
    fn freeze_operation(&self, operation: &Operation, bill: &Bill, remote_id: &str)
    -> Result<String, String>;

    /// Sends such a request.
    fn operate<'a>(&'a self, kind: OperationKind, request: &'a str) -> Call<'a, RemoteOperation>;

    /// All refunds of the order `remote_id`, those too that were made over there and bear no number of ours.
    fn refunds<'a>(&'a self, remote_id: &'a str) -> Call<'a, Vec<RemoteOperation>>;

    /// Looks for operations under a number of ours, after proving who we are.
    fn find_operation<'a>(
        &'a self,
        operation: &'a Operation,
        remote_id: &'a str,
    ) -> Call<'a, Vec<RemoteOperation>>;
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
