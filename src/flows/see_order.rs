//! A person has looked at what was put before them about an order, and it need not be listed any more.

use super::{DECISIONS_MAX, Dossier, Shop, crowded, load_kept_dossier};
use crate::kernel::Number;
use crate::store::{Batch, CommitError, DocKey, Expect, Unavailable};

/// Takes it off the order. What comes later is put before a person again. Says whether there is such an order.
pub async fn see_order(shop: &Shop, number: Number) -> Result<bool, Unavailable> {
    for _ in 0..DECISIONS_MAX {
        let Some(Dossier { mut order, order_stored, checkout }) =
            load_kept_dossier(&shop.store, number).await?
        else {
            return Ok(false);
        };
        let now = shop.clock.now();
        let mut batch = Batch::new();
        order.see();
        let listed_at = order_stored.body.listed_at;
        batch.put(DocKey::order(number), Expect::At(order_stored.version), &order, listed_at);
        if let Some((mut checkout, version)) = checkout {
            checkout.see(now);
            batch.put(DocKey::checkout(number), Expect::At(version), &checkout, now);
        }
        match shop.store.commit(batch).await {
            Ok(()) => return Ok(true),
            Err(CommitError::Conflict | CommitError::LostLease) => {}
            Err(CommitError::Unavailable(why)) => return Err(why),
        }
    }
    Err(crowded())
}
