//! Hooks as their senders speak them: bytes in, our words out, and an answer in the sender's words.
//!
//! A protocol is a folder here and a line in `app`, which gives each configured source its own. It works in four steps, each a pure
//! function: [`verify`](Protocol::verify) the raw bytes before anything is read from them, tell
//! [`which order`](Protocol::identify) they are about, [`report`](Reading::report) what they say, and
//! [`acknowledge`](Protocol::acknowledge) what was decided. Names and shapes of the sender end at this
//! module's edge.

pub mod invoicebox;
pub mod sm;
pub mod yookassa;

use core::net::IpAddr;
use std::fmt;

use http::HeaderMap;

use crate::dedup::{Answer, Verdict};
use crate::kernel::json::{Tidied, tidy};
use crate::kernel::{ExternalId, Number};
use crate::orders::{EventKind, Report};
use crate::payments::{Judgement, Notice};

/// A body whose sender has been verified. Only a protocol's `verify` makes one, and nothing else here
/// accepts unverified bytes.
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

/// The sender did not prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The header that carries the proof is not there.
    #[error("no {0} header")]
    Missing(&'static str),
    /// It is there more than once: two readers might each believe another one.
    #[error("more than one {0} header")]
    Doubled(&'static str),
    /// It proves nothing.
    #[error("the {0} header does not match")]
    Wrong(&'static str),
    /// It comes from an address that is not the sender's.
    #[error("it comes from {}", .0.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string()))]
    Elsewhere(Option<IpAddr>),
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

/// What was decided about a hook, as much of it as an answer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The kind of hook.
    pub kind: Option<EventKind>,
    /// Our number of the order.
    pub number: Option<Number>,
}

/// A hook whose envelope has been read.
pub trait Reading: Send + Sync {
    /// Reads the rest. It cannot fail: what is not understood is noted and left out, because turning a hook
    /// away over a comment's type would cost the order.
    fn report(&self) -> Report;
}

/// A way in which senders speak.
pub trait Protocol: Send + Sync + fmt::Debug {
    /// Refuses by the headers alone what could never be verified, before its body is read. Protocols whose
    /// proof is over the body have nothing to say here.
    fn refuse_early(&self, _headers: &HeaderMap) -> Option<Forged> {
        None
    }

    /// Proves on the raw bytes who sent them.
    fn verify<'a>(&self, headers: &HeaderMap, body: &'a [u8]) -> Result<Authentic<'a>, Forged>;

    /// Takes bytes that were verified when they came and have been kept since.
    fn reread<'a>(&self, kept: &'a [u8]) -> Authentic<'a> {
        Authentic { body: kept }
    }

    /// Reads the envelope: what is needed to recognise a hook that has come before. The rest is read later, if
    /// it is new.
    fn identify<'a>(&'a self, hook: &'a Readable<'_>)
    -> Result<(Identity, Box<dyn Reading + 'a>), Rejection>;

    /// The answer to a hook that was not turned away. It depends on its argument alone.
    fn acknowledge(&self, outcome: Outcome) -> Answer;
}

/// A way in which payment systems tell of payments.
pub trait NoticeProtocol: Send + Sync + fmt::Debug {
    /// Refuses by the address and the headers alone what could never be verified, before its body is read.
    fn refuse_early(&self, address: Option<IpAddr>, headers: &HeaderMap) -> Option<Forged>;

    /// Whether [`NoticeProtocol::verify`] proves who has sent the bytes. An address proves little: a proxy may have been
    /// told another one.
    fn proves_sender(&self) -> bool;

    /// Proves who sent these bytes, by the bytes and their headers, or by the address that they come from.
    fn verify<'a>(
        &self,
        address: Option<IpAddr>,
        headers: &HeaderMap,
        body: &'a [u8],
    ) -> Result<Authentic<'a>, Forged>;

    /// Reads a notification; the error says what is the matter with it.
    fn read(&self, notice: &Readable<'_>) -> Result<Notice, String>;

    /// Reads a notification that nobody has proved: the caller takes it for a hint and no more.
    fn read_unproved(&self, body: &[u8]) -> Result<Notice, String> {
        self.read(&Authentic { body }.readable())
    }

    /// The answer to a notification that was judged. The flag says that a payment which we do not know may become
    /// known yet.
    fn judged(&self, judgement: &Judgement, may_become_known: bool) -> Answer;

    /// The answer to a test of the connection.
    fn tested(&self, is_ours: bool) -> Answer;

    /// The answer to one who has not proved to be the payment system.
    fn forged(&self) -> Answer;

    /// The answer to what cannot be read.
    fn unreadable(&self, why: &str) -> Answer;

    /// The answer when we cannot take it in now, so that it comes again.
    fn unavailable(&self) -> Answer;
}
