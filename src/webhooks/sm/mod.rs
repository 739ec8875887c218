//! Order hooks of the marketplace СМ (also known as СберМаркет and Купер).
//!
//! One URL receives all kinds. The sender authenticates by a static token in
//! `Client-Token` and waits 5 seconds for an answer. Without one, or on 4xx or
//! 5xx, it repeats a hook up to seven times. If `order.created` is never
//! acknowledged, it cancels the order. Hooks have no id and can arrive in any
//! order. The documentation does not define the types of fields, so they are
//! parsed with [`super::tolerant`].

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

/// The header that carries the token.
const TOKEN_HEADER: HeaderName = HeaderName::from_static("client-token");

/// The [`Protocol`] of СМ for one configured source.
#[derive(Debug)]
pub struct Sm {
    /// The time zone of times without an offset.
    pub zone: Option<TimeZone>,
}

/// The entry of СМ in the list of protocols.
pub(super) const SYSTEM: SourceSystem = SourceSystem {
    name: "sm",
    verifier: Some(verifier),
    protocol: |zone| Arc::new(Sm { zone }),
    is_told: true,
};

/// The verifier of СМ: the sender must know one of `tokens`.
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
            Outcome::Order { verdict, kind, number } => {
                Some(reply::acknowledge(verdict, kind, number))
            }
            Outcome::Payment { .. }
            | Outcome::Test { .. }
            | Outcome::Unauthenticated
            | Outcome::Unusable(_)
            | Outcome::Unavailable => None,
        }
    }
}
