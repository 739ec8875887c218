//! A protocol: how what somebody has sent is read, and answered.

use std::fmt;

use super::{Authentic, Identity, Readable, Reading, Rejection, RejectionKind};
use crate::dedup::{Answer, Verdict};
use crate::orders::{EventKind, Number};
use crate::payments::{Judgement, Notice};

/// What somebody has sent, as it was read.
pub enum Inbound<'a> {
    /// A hook about an order: what is needed to recognise one that has come before, and the rest.
    Order(Identity, Box<dyn Reading + 'a>),
    /// A notification about a payment.
    Payment(Notice),
}

/// What became of it, as much as an answer needs.
///
/// A protocol of order hooks is asked about [`Outcome::Order`] alone: what is turned away there gets a problem document. A
/// payment system's protocol is asked about all the others.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// A hook was judged.
    Order {
        /// The verdict.
        verdict: Verdict,
        /// The kind of hook.
        kind: Option<EventKind>,
        /// Our number of the order.
        number: Option<Number>,
    },
    /// A notification was judged.
    Payment {
        /// What it means.
        judgement: &'a Judgement,
        /// A payment that we do not know may become known yet.
        may_become_known: bool,
    },
    /// It was a test of the connection.
    Test {
        /// For our account.
        is_ours: bool,
    },
    /// Its sender is not proved.
    Unauthenticated,
    /// It cannot be used.
    Unusable(&'a Rejection),
    /// It cannot be taken in now, and is to come again.
    Unavailable,
}

/// A way in which senders speak.
pub trait Protocol: Send + Sync + fmt::Debug {
    /// Reads verified bytes. Of a hook only the envelope is read at once.
    fn read<'a>(&'a self, body: &'a Readable<'_>) -> Result<Inbound<'a>, Rejection>;

    /// The answer in the sender's words. None is an empty body with HTTP's own status. It depends on its argument alone: copies of
    /// a hook get the same bytes.
    fn answer(&self, outcome: Outcome<'_>) -> Option<Answer>;
}

/// Reads a notification about a payment.
pub fn read_notice(protocol: &dyn Protocol, body: Authentic<'_>) -> Result<Notice, Rejection> {
    match protocol.read(&body.readable())? {
        Inbound::Payment(notice) => Ok(notice),
        Inbound::Order(identity, _) => Err(Rejection {
            why: RejectionKind::Malformed,
            detail: "it is about an order, and a payment system speaks of payments".into(),
            event_type: Some(identity.event_type),
        }),
    }
}
