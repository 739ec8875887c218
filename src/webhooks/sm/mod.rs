//! Order hooks of the marketplace СМ (also known as СберМаркет and Купер).
//!
//! One URL takes all kinds. The sender proves itself by a static token in `Client-Token`, waits 5 seconds,
//! repeats a hook up to seven times on silence, 4xx or 5xx, and calls the order off when `order.created` is
//! never acknowledged. Hooks have no id, no promised order, and the sender's documents leave types open, so
//! reading is as tolerant as it can be: see [`wire`].

mod map;
mod reply;
mod verify;
mod wire;

use http::HeaderMap;
use jiff::tz::TimeZone;

use super::{Authentic, Forged, Identity, Outcome, Protocol, Readable, Reading, Rejection};
use crate::dedup::Answer;
use crate::kernel::Tokens;

/// The protocol of СМ as one configured source speaks it.
#[derive(Debug)]
pub struct Sm {
    tokens: Tokens,
    zone: Option<TimeZone>,
}

impl Sm {
    /// The protocol for senders who know one of `tokens`, and whose times without an offset are in `zone`.
    #[must_use]
    pub fn new(tokens: Tokens, zone: Option<TimeZone>) -> Sm {
        Sm { tokens, zone }
    }
}

impl Protocol for Sm {
    fn refuse_early(&self, headers: &HeaderMap) -> Option<Forged> {
        // The token is all the proof there is.
        verify::verify(&self.tokens, headers, &[]).err()
    }

    fn verify<'a>(&self, headers: &HeaderMap, body: &'a [u8]) -> Result<Authentic<'a>, Forged> {
        verify::verify(&self.tokens, headers, body)
    }

    fn identify<'a>(
        &'a self,
        hook: &'a Readable<'_>,
    ) -> Result<(Identity, Box<dyn Reading + 'a>), Rejection> {
        let (identity, read) = map::identify(hook, self.zone.as_ref())?;
        Ok((identity, Box::new(read)))
    }

    fn acknowledge(&self, outcome: Outcome) -> Answer {
        reply::acknowledge(outcome)
    }
}
