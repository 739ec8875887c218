//! Authentication of senders. Each method is written once and selected in the
//! configuration. No method parses the body: it sees only the raw bytes.

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

/// Shows that the address and the headers of a request were checked.
#[derive(Debug, Clone, Copy)]
pub struct CheckedHead(());

/// A method of verifying the sender of a request.
#[derive(Debug)]
pub enum Verifier {
    /// A fixed token in a header.
    Token(TokenHeader),
    /// An HMAC over the body in a header.
    SignedBody(SignedBody),
    /// Standard Webhooks: an HMAC over an id, a time and the body.
    Standard(StandardWebhooks),
    /// A user and a password, by HTTP Basic.
    Basic(Basic),
    /// The networks that the sender sends from.
    Networks(Networks),
}

impl Verifier {
    /// Checks the address and the headers, before the body is read.
    pub fn check_head(&self, sender: Sender<'_>) -> Result<CheckedHead, AuthError> {
        match self {
            Verifier::Token(token) => token.verify(sender.headers),
            Verifier::SignedBody(signed) => signed.claimed(sender.headers).map(drop),
            Verifier::Standard(standard) => standard.claimed(sender).map(drop),
            Verifier::Basic(basic) => basic.verify(sender.headers),
            Verifier::Networks(networks) => networks.verify(sender.address),
        }?;
        Ok(CheckedHead(()))
    }

    /// Verifies the sender of the raw bytes, after the head was checked. Most
    /// methods have nothing left to check.
    pub fn verify_body<'a>(
        &self,
        CheckedHead(()): CheckedHead,
        sender: Sender<'_>,
        body: &'a [u8],
    ) -> Result<Authentic<'a>, AuthError> {
        match self {
            Verifier::SignedBody(signed) => signed.verify(sender.headers, body)?,
            Verifier::Standard(standard) => standard.verify(sender, body)?,
            Verifier::Token(_) | Verifier::Basic(_) | Verifier::Networks(_) => {}
        }
        Ok(Authentic { body })
    }

    /// Verifies a request of which everything is there.
    pub fn verify<'a>(
        &self,
        sender: Sender<'_>,
        body: &'a [u8],
    ) -> Result<Authentic<'a>, AuthError> {
        self.verify_body(self.check_head(sender)?, sender, body)
    }

    /// Whether the method needs the address of the sender.
    #[must_use]
    pub fn needs_address(&self) -> bool {
        matches!(self, Verifier::Networks(_))
    }

    /// Whether the method proves who sent the bytes. An address proves little:
    /// a client can give a proxy a false one.
    #[must_use]
    pub fn proves_sender(&self) -> bool {
        !matches!(self, Verifier::Networks(_))
    }

    /// The sender's id of the delivery, which is the same in every attempt.
    /// None if the method does not provide a verified one.
    #[must_use]
    pub fn delivery_id<'a>(&self, sender: Sender<'a>) -> Option<&'a str> {
        match self {
            Verifier::Standard(_) => sender.headers.get(standard::ID)?.to_str().ok(),
            Verifier::Token(_)
            | Verifier::SignedBody(_)
            | Verifier::Basic(_)
            | Verifier::Networks(_) => None,
        }
    }
}
