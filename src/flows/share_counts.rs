//! Shares the counts of [`Quotas`](super::quotas::Quotas) between receivers.

use serde::{Deserialize, Serialize};

use super::Services;
use super::quotas::day_of;
use super::transaction::{Staged, Versioned, transact};
use crate::kernel::document;
use crate::kernel::{DocKey, Document, Fingerprint, HookId, Kind, PartyName, Unreadable};
use crate::store::Unavailable;

/// The bytes that all receivers have stored of a party on a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteCount {
    /// Days since 1970.
    day: i64,
    bytes: u64,
}

impl Document for ByteCount {
    const KIND: Kind = Kind::new(12, "byte counts");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<ByteCount, Unreadable> {
        document::decode(schema, bytes)
    }
}

fn place(party: &PartyName) -> DocKey {
    let id = Fingerprint::of(&[b"bytes of a day", party.as_str().as_bytes()]);
    DocKey { partition: HookId::of_name(id).partition, kind: ByteCount::KIND, id: 0 }
}

/// Adds what this process has counted to the counts of all receivers, and
/// reads them.
pub async fn share_counts(services: &Services) -> Result<(), Unavailable> {
    for party in services.quotas.parties() {
        let today = day_of(services.clock.now());
        let here = services.quotas.here(&party, today);
        let by_all = add(services, &party, today, here).await?;
        services.quotas.set(party, today, by_all, here);
    }
    Ok(())
}

/// Adds bytes to the count of a day, and returns the count.
async fn add(
    services: &Services,
    party: &PartyName,
    today: i64,
    bytes: u64,
) -> Result<u64, Unavailable> {
    let place = place(party);
    transact(services, "share_counts", |mut tx| async move {
        let known = tx.read::<ByteCount>(place).await?;
        let mut count = known.unwrap_or_else(|| Versioned::new(ByteCount::default(), tx.now));
        let before = if count.day == today { count.bytes } else { 0 };
        if bytes == 0 {
            return Ok(Staged::Unchanged(before));
        }
        let counted = before.saturating_add(bytes);
        (count.day, count.bytes) = (today, counted);
        tx.write(place, &count);
        Ok(tx.commit(counted))
    })
    .await
}
