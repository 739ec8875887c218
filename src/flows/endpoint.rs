//! What is known about the callback addresses of merchants' sites.
//!
//! A site that answers 410 says that the address is no longer in use. Nothing
//! more is sent to it until it accepts a callback that a person has requested.
//! Until then its callbacks wait, and the time does not count towards giving
//! them up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Services;
use super::transaction::{Staged, Versioned, transact};
use crate::dedup::key;
use crate::kernel::DocKey;
use crate::kernel::document;
use crate::kernel::time::between;
use crate::kernel::{Document, Kind, PartyName, Timestamp, Unreadable};
use crate::store::Unavailable;

/// The callback address of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// When the address answered 410; `None` if it is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_since: Option<Timestamp>,
    /// Earlier periods in which it was out of use, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub was_gone: Vec<(Timestamp, Timestamp)>,
}

/// How many earlier periods are remembered.
const GONE_TIMES_MAX: usize = 20;

impl Document for Endpoint {
    const KIND: Kind = Kind::new(8, "callback addresses");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Endpoint, Unreadable> {
        document::decode(schema, bytes)
    }
}

impl Endpoint {
    /// How long delivery has been tried since `first`. The time out of use does
    /// not count.
    #[must_use]
    pub fn tried_for(&self, first: Timestamp, now: Timestamp) -> Duration {
        let within = |moment: Timestamp| moment.min(now).max(first);
        let gone = self.was_gone.iter().map(|(from, until)| between(within(*from), within(*until)));
        between(first, now).saturating_sub(gone.sum())
    }
}

fn place(merchant: &PartyName, url: &str) -> DocKey {
    let id = key::of_endpoint(merchant, url);
    DocKey { partition: id.partition, kind: Endpoint::KIND, id: id.fingerprint.get() }
}

/// Reads what is known about an address.
pub async fn endpoint_at(
    services: &Services,
    merchant: &PartyName,
    url: &str,
) -> Result<Endpoint, Unavailable> {
    let found = services.store.load(&[place(merchant, url)]).await?.pop().flatten();
    Ok(found.map(|stored| stored.document()).transpose()?.unwrap_or_default())
}

/// Records whether an address is out of use. Returns `false` if that was
/// already known.
pub async fn set_gone(
    services: &Services,
    merchant: &PartyName,
    url: &str,
    is_gone: bool,
) -> Result<bool, Unavailable> {
    let place = place(merchant, url);
    transact(services, "set_gone", |mut tx| async move {
        let now = services.store.outbox_now().await?;
        let known = tx.read(place).await?;
        let mut known: Versioned<Endpoint> =
            known.unwrap_or_else(|| Versioned::new(Endpoint::default(), now));
        if known.gone_since.is_some() == is_gone {
            return Ok(Staged::Unchanged(false));
        }
        match known.gone_since.take() {
            None => known.gone_since = Some(now),
            Some(since) => {
                known.was_gone.push((since, now));
                let surplus = known.was_gone.len().saturating_sub(GONE_TIMES_MAX);
                known.was_gone.drain(..surplus);
            }
        }
        tx.write(place, &known);
        Ok(tx.commit(true))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_out_of_use_does_not_count() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).expect("a time");
        let known = Endpoint {
            gone_since: None,
            was_gone: vec![(at(0), at(10)), (at(100), at(150)), (at(300), at(301))],
        };
        for (first, now, seconds) in
            [(20, 320, 249), (120, 320, 169), (0, 20, 10), (400, 500, 100), (5, 5, 0)]
        {
            assert_eq!(
                known.tried_for(at(first), at(now)),
                Duration::from_secs(seconds),
                "{first} {now}"
            );
        }
    }
}
