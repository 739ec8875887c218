//! A person has looked at what was put before them about an order, and it need not be listed any more.

use super::transaction::{Staged, transact};
use super::{Dossier, Shop, load_kept_dossier};
use crate::kernel::Number;
use crate::store::{DocKey, Expect, Unavailable};

/// Takes it off the order. What comes later is put before a person again. Says whether there is such an order.
pub async fn see_order(shop: &Shop, number: Number) -> Result<bool, Unavailable> {
    transact(shop, "see_order", |mut tx| async move {
        let dossier = load_kept_dossier(&shop.store, number).await?;
        let Some(Dossier { mut order, order_stored, checkout }) = dossier else {
            return Ok(Staged::Unchanged(false));
        };
        order.see();
        let (now, listed_at) = (tx.now, order_stored.body.listed_at);
        let batch = tx.batch();
        batch.put(DocKey::order(number), Expect::At(order_stored.version), &order, listed_at);
        if let Some((mut checkout, version)) = checkout {
            checkout.see(now);
            batch.put(DocKey::checkout(number), Expect::At(version), &checkout, now);
        }
        Ok(tx.commit(true))
    })
    .await
}
