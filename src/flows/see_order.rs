//! A person has looked at what was put before them about an order, and it need not be listed any more.

use super::transaction::{Staged, transact};
use super::{OrderRecord, Shop, load_kept_record};
use crate::orders::Number;
use crate::store::Unavailable;

/// Takes it off the order. What comes later is put before a person again. Says whether there is such an order.
pub async fn see_order(shop: &Shop, number: Number) -> Result<bool, Unavailable> {
    transact(shop, "see_order", |mut tx| async move {
        let record = load_kept_record(&shop.store, number).await?;
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
