//! Records that a person has dealt with the attention notes of an order, so
//! that it is no longer listed.

use super::transaction::{Staged, transact};
use super::{OrderRecord, Services, load_kept_record};
use crate::orders::Number;
use crate::store::Unavailable;

/// Removes the attention notes of an order. Later ones are listed again.
/// Returns `false` if there is no such order.
pub async fn acknowledge_order(services: &Services, number: Number) -> Result<bool, Unavailable> {
    transact(services, "see_order", |mut tx| async move {
        let record = load_kept_record(&services.store, number).await?;
        let Some(OrderRecord { mut order, checkout }) = record else {
            return Ok(Staged::Unchanged(false));
        };
        order.see();
        let now = tx.now;
        let batch = tx.batch();
        order.stage(batch);
        if let Some(mut checkout) = checkout {
            checkout.see(now);
            checkout.stage(batch);
        }
        Ok(tx.commit(true))
    })
    .await
}
