//! Somebody has counted: balances become what was counted.

use super::Shop;
use super::transaction::commit_once;
use crate::dedup::key;
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::{PartyName, Quantity};
use crate::orders::{Movement, MovementLine};
use crate::store::{Batch, Bump, CounterKey, Expect, Unavailable};

/// How many lines one commit takes. A longer list is set in several; setting it again is setting it once.
const LINES_MAX: usize = 500;

/// Sets balances, and keeps the count among the movements.
pub async fn set_stock(shop: &Shop, lines: Vec<MovementLine>) -> Result<(), Unavailable> {
    for chunk in lines.chunks(LINES_MAX) {
        let now = shop.clock.now();
        let movement = Movement::Opening { at: now, lines: chunk.to_vec() };
        let name = key::orphan(&PartyName::new("stock"), &serde_json::to_vec(&movement).unwrap_or_default());
        let key = DocKey { partition: name.partition, kind: Movement::KIND, id: name.fingerprint.get() };
        let mut batch = Batch::new();
        batch.put(key, Expect::Absent, &movement, now);
        for line in chunk {
            let counter = CounterKey { group: line.store_id.clone(), name: line.sku.clone() };
            batch.bump(counter, Bump::Set(Quantity::thousandths(line.quantity)));
        }
        commit_once(&shop.store, batch).await?; // else the same count at the same microsecond is there already
    }
    Ok(())
}
