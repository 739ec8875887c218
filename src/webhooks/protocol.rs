//! A protocol: how requests of a sender are parsed and answered.

use std::fmt;

use super::{Authentic, Identity, Readable, Reading, Rejection, RejectionKind};
use crate::dedup::{Answer, Verdict};
use crate::orders::{EventKind, Number};
use crate::payments::{Notification, NotificationVerdict};

/// A parsed request.
pub enum Inbound<'a> {
    /// A hook about an order: its identity, which recognises a duplicate, and a
    /// reader for the rest.
    Order(Identity, Box<dyn Reading + 'a>),
    /// A notification about a payment.
    Payment(Notification),
}

/// The outcome of a request, as far as the answer depends on it.
///
/// A protocol of order hooks gets only [`Outcome::Order`]; a hook that is
/// turned away is answered with a problem document. A payment system's protocol
/// gets all the others.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// A hook got a verdict.
    Order {
        verdict: Verdict,
        /// The kind of hook. None for kinds that do not concern us.
        kind: Option<EventKind>,
        /// Our number of the order.
        number: Option<Number>,
    },
    /// A notification got a verdict.
    Payment {
        judgement: &'a NotificationVerdict,
        /// The notification is early: its payment may still become known.
        may_become_known: bool,
    },
    /// The request was a connection test.
    Test {
        /// It is for our account.
        is_ours: bool,
    },
    /// The sender could not be verified.
    Unauthenticated,
    /// The request cannot be used.
    Unusable(&'a Rejection),
    /// The request cannot be processed now. The sender should repeat it.
    Unavailable,
}

/// The protocol of a kind of sender.
pub trait Protocol: Send + Sync + fmt::Debug {
    /// Parses verified bytes. For a hook, it parses only the envelope.
    fn read<'a>(&'a self, body: &'a Readable<'_>) -> Result<Inbound<'a>, Rejection>;

    /// Builds the answer in the sender's format. None means an empty JSON
    /// object with HTTP's own status. The result depends on the argument alone,
    /// so that duplicates of a hook get the same bytes.
    fn answer(&self, outcome: Outcome<'_>) -> Option<Answer>;
}

/// Parses a notification about a payment.
pub fn read_notification(
    protocol: &dyn Protocol,
    body: Authentic<'_>,
) -> Result<Notification, Rejection> {
    match protocol.read(&body.readable())? {
        Inbound::Payment(notification) => Ok(notification),
        Inbound::Order(identity, _) => Err(Rejection {
            why: RejectionKind::Malformed,
            detail: "expected a notification about a payment, got a hook about an order".into(),
            event_type: Some(identity.event_type),
        }),
    }
}
