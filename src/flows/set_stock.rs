//! Sets stock balances to counted quantities.

use super::Services;
use super::transaction::commit_once;
use crate::dedup::key;
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::{PartyName, Quantity};
use crate::orders::{Movement, MovementLine};
use crate::store::{Batch, CounterChange, CounterKey, Expect, Unavailable};

/// How many lines one commit sets. A longer list takes several commits; setting
/// it again has the same result.
const LINES_MAX: usize = 500;

/// Sets balances, and stores the count as a movement.
pub async fn set_stock(services: &Services, lines: Vec<MovementLine>) -> Result<(), Unavailable> {
    for chunk in lines.chunks(LINES_MAX) {
        let now = services.clock.now();
        let movement = Movement::Opening { at: now, lines: chunk.to_vec() };
        let name = key::orphan(
            &PartyName::new("stock"),
            &serde_json::to_vec(&movement).unwrap_or_default(),
        );
        let key =
            DocKey { partition: name.partition, kind: Movement::KIND, id: name.fingerprint.get() };
        let mut batch = Batch::new();
        batch.put(key, Expect::Absent, &movement, now);
        for line in chunk {
            let counter = CounterKey::named(&line.store_id, line.sku.clone());
            batch.bump(counter, CounterChange::Set(Quantity::thousandths(line.quantity)));
        }
        // If it was not committed, the same count of the same microsecond is
        // already stored.
        commit_once(&services.store, batch).await?;
    }
    Ok(())
}
