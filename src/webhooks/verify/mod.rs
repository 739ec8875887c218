//! How senders prove who they are. Each way is written once and named by the configuration; none reads anything from a body
//! but its bytes.

mod basic;
mod configured;
mod hmac;
mod networks;
mod sender;
mod standard;
mod token;

pub use basic::Basic;
pub use configured::{Verify, Way};
pub use hmac::{Encoding, SignedBody};
pub use networks::Networks;
use sender::only_value;
pub use sender::{AuthError, Sender};
pub use standard::StandardWebhooks;
pub use token::TokenHeader;

use super::Authentic;

/// A way of proving who has sent something.
#[derive(Debug)]
pub enum Verifier {
    /// A fixed token in a header.
    Token(TokenHeader),
    /// An HMAC over the body in a header.
    SignedBody(SignedBody),
    /// Standard Webhooks: an HMAC over an id, a time and the body.
    Standard(StandardWebhooks),
    /// A user and a password.
    Basic(Basic),
    /// The networks that the sender has.
    Networks(Networks),
}

impl Verifier {
    /// Refuses by the address and the headers alone what could never be verified, before its body is read.
    pub fn refuse_early(&self, sender: Sender<'_>) -> Result<(), AuthError> {
        match self {
            Verifier::Token(token) => token.verify(sender.headers),
            Verifier::SignedBody(signed) => signed.claimed(sender.headers).map(drop),
            Verifier::Standard(standard) => standard.claimed(sender).map(drop),
            Verifier::Basic(basic) => basic.verify(sender.headers),
            Verifier::Networks(networks) => networks.verify(sender.address),
        }
    }

    /// Proves on the raw bytes who sent them.
    pub fn verify<'a>(&self, sender: Sender<'_>, body: &'a [u8]) -> Result<Authentic<'a>, AuthError> {
        match self {
            Verifier::Token(token) => token.verify(sender.headers),
            Verifier::SignedBody(signed) => signed.verify(sender.headers, body),
            Verifier::Standard(standard) => standard.verify(sender, body),
            Verifier::Basic(basic) => basic.verify(sender.headers),
            Verifier::Networks(networks) => networks.verify(sender.address),
        }?;
        Ok(Authentic { body })
    }

    /// Whether it looks at where something comes from.
    #[must_use]
    pub fn needs_address(&self) -> bool {
        matches!(self, Verifier::Networks(_))
    }

    /// Whether it proves who has sent the bytes. An address proves little: a proxy may have been told another one.
    #[must_use]
    pub fn proves_sender(&self) -> bool {
        !matches!(self, Verifier::Networks(_))
    }

    /// The id that the sender gives each delivery, the same in every attempt, if it gives one that is verified.
    #[must_use]
    pub fn delivery_id<'a>(&self, sender: Sender<'a>) -> Option<&'a str> {
        match self {
            Verifier::Standard(_) => sender.headers.get(standard::ID)?.to_str().ok(),
            Verifier::Token(_) | Verifier::SignedBody(_) | Verifier::Basic(_) | Verifier::Networks(_) => None,
        }
    }
}
