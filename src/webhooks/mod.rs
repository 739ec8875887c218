//! What others send us, as they speak: bytes in, our words out, and an answer in the sender's words.
//!
//! There is one way in for order hooks and payment notifications alike. A [`Verifier`] proves on the raw bytes who has sent
//! them, and may give the delivery's own id; a [`Protocol`] reads them and words the answer. Verifiers are written once and
//! named by the configuration; a protocol is a folder here. Each step is a pure function. Names and shapes of the sender end
//! at this module's edge.

mod channel;
pub mod sm;
pub mod verify;

use std::fmt;

pub use channel::{Asked, Call, CallOutcome, NotACall, NoticeChannel};
pub use verify::{AuthError, Sender, Verifier};

use crate::dedup::{Answer, Verdict};
use crate::kernel::ExternalId;
use crate::kernel::json::{Tidied, tidy};
use crate::orders::Number;
use crate::orders::{EventKind, Report};
use crate::payments::{Judgement, Notice};

/// A body whose sender has been verified. Besides a [`Verifier`] only two can make one, and say why: see
/// [`Authentic::from_journal`] and [`Authentic::unproved`].
#[derive(Debug, Clone, Copy)]
pub struct Authentic<'a> {
    body: &'a [u8],
}

impl<'a> Authentic<'a> {
    /// The verified bytes.
    #[must_use]
    pub fn body(self) -> &'a [u8] {
        self.body
    }
}

impl<'a> Authentic<'a> {
    /// Bytes that were verified when they came, and have been kept since, or that were asked for by us.
    #[must_use]
    pub fn from_journal(kept: &'a [u8]) -> Authentic<'a> {
        Authentic { body: kept }
    }

    /// Bytes that nobody has proved: whoever reads them takes them for a hint and no more.
    #[must_use]
    pub fn unproved(body: &'a [u8]) -> Authentic<'a> {
        Authentic { body }
    }

    /// What the verified bytes come to when they are unpacked.
    #[must_use]
    pub fn unpacked<'b>(self, plain: &'b [u8]) -> Authentic<'b> {
        Authentic { body: plain }
    }

    /// The same as it can be read: see [`tidy`].
    #[must_use]
    pub fn readable(self) -> Readable<'a> {
        Readable(tidy(self.body))
    }
}

/// Verified bytes as they can be read.
#[derive(Debug)]
pub struct Readable<'a>(Tidied<'a>);

impl Readable<'_> {
    /// The bytes.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.0.text
    }

    /// Characters of which the sender left only half.
    #[must_use]
    pub fn half_characters(&self) -> usize {
        self.0.half_characters
    }
}

/// What a hook is about, as far as its envelope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The kind, in the sender's word.
    pub event_type: String,
    /// The kind in ours; none for kinds that do not concern us.
    pub kind: Option<EventKind>,
    /// The sender's order number. Hooks of kinds that concern us always have one.
    pub external_id: Option<ExternalId>,
}

/// Why a hook cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What is the matter.
    pub why: RejectionKind,
    /// The same in words that say where.
    pub detail: String,
    /// The kind, if it could be read all the same.
    pub event_type: Option<String>,
}

/// The kinds of unusable hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// The body is not JSON, or its envelope is not what it should be.
    Malformed,
    /// It names no order.
    NoOrderNumber,
    /// It is longer than is read.
    TooLarge,
    /// It is packed in a way, or has a form, that is not read.
    UnsupportedForm,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// A hook whose envelope has been read.
pub trait Reading: Send + Sync {
    /// Reads the rest. It cannot fail: what is not understood is noted and left out, because turning a hook
    /// away over a comment's type would cost the order.
    fn report(&self) -> Report;
}

/// What somebody has sent, as it was read.
pub enum Inbound<'a> {
    /// A hook about an order: what is needed to recognise one that has come before, and the rest.
    Order(Identity, Box<dyn Reading + 'a>),
    /// A notification about a payment.
    Payment(Notice),
}

/// What became of it, as much as an answer needs.
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

    /// The answer in the sender's words. None where it wants no other than HTTP's own. It depends on its argument alone:
    /// copies of a hook get the same bytes.
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
