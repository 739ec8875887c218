//! Order hooks of the marketplace СМ (also known as СберМаркет and Купер).
//!
//! One URL takes all kinds. The sender proves itself by a static token in `Client-Token`, waits 5 seconds,
//! repeats a hook up to seven times on silence, 4xx or 5xx, and calls the order off when `order.created` is
//! never acknowledged. Hooks have no id, no promised order, and the sender's documents leave types open, so
//! they are read by [`super::tolerant`].

mod listed;
mod map;
mod reply;

use std::sync::Arc;

use http::HeaderName;
use jiff::tz::TimeZone;

pub use listed::{changed_hook, missing_hooks};

use super::verify::TokenHeader;
use super::{Inbound, Outcome, Protocol, Readable, Rejection, SourceSystem, Verifier};
use crate::dedup::Answer;
use crate::kernel::Tokens;

/// The header of the token.
const TOKEN_HEADER: HeaderName = HeaderName::from_static("client-token");

/// The protocol of СМ as one configured source speaks it.
#[derive(Debug)]
pub struct Sm {
    /// Where times without an offset are.
    pub zone: Option<TimeZone>,
}

/// What the list of protocols has of it.
pub(super) const SYSTEM: SourceSystem = SourceSystem {
    name: "sm",
    verifier: Some(verifier),
    protocol: |zone| Arc::new(Sm { zone }),
    is_told: true,
};

/// How СМ proves itself: it knows one of `tokens`.
#[must_use]
pub fn verifier(tokens: Tokens) -> Verifier {
    Verifier::Token(TokenHeader { header: TOKEN_HEADER, tokens })
}

impl Protocol for Sm {
    fn read<'a>(&'a self, body: &'a Readable<'_>) -> Result<Inbound<'a>, Rejection> {
        let (identity, read) = map::identify(body, self.zone.as_ref())?;
        Ok(Inbound::Order(identity, Box::new(read)))
    }

    fn answer(&self, outcome: Outcome<'_>) -> Option<Answer> {
        match outcome {
            Outcome::Order { verdict, kind, number } => Some(reply::acknowledge(verdict, kind, number)),
            Outcome::Payment { .. }
            | Outcome::Test { .. }
            | Outcome::Unauthenticated
            | Outcome::Unusable(_)
            | Outcome::Unavailable => None,
        }
    }
}
