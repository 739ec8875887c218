//! Puts something about an order before a person.

use super::Services;
use super::transaction::{Staged, transact};
use crate::kernel::{DocKey, Document, Partition};
use crate::orders::{Order, OrderNote};
use crate::store::Unavailable;

/// Adds a note for a person to the order of a partition, once.
pub async fn flag_order(
    services: &Services,
    partition: Partition,
    note: OrderNote,
) -> Result<(), Unavailable> {
    let note = &note;
    transact(services, "flag_order", |mut tx| async move {
        let key = DocKey { partition, kind: Order::KIND, id: 0 };
        let Some(order) = tx.read::<Order>(key).await? else { return Ok(Staged::Unchanged(())) };
        let Some(flagged) = order.flagged(note.clone()) else { return Ok(Staged::Unchanged(())) };
        tx.write(key, &order.replaced(flagged));
        Ok(tx.commit(()))
    })
    .await
}
