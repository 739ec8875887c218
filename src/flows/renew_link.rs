//! A buyer comes to pay after the payment died at the payment system, and before the order's own time is over: there is
//! another one.
//!
//! Payment systems let a payment die by themselves, after an hour, or when the bank has said no. That is no reason to lose
//! the buyer, and no reason to make payments that nobody asks for: the next is made when somebody comes.

use super::bill_order::send_task;
use super::{DECISIONS_MAX, Dossier, Shop, crowded, load_dossier};
use crate::kernel::Number;
use crate::store::{Batch, CommitError, DocKey, Expect, Unavailable};

/// Plans another payment in the stead of one that died. Says whether there is one to wait for.
pub async fn renew_link(shop: &Shop, number: Number) -> Result<bool, Unavailable> {
    for _ in 0..DECISIONS_MAX {
        let dossier = load_dossier(&shop.store, number).await?;
        let Some(Dossier { mut order, order_stored, checkout: Some((mut checkout, version)) }) = dossier
        else {
            return Ok(false);
        };
        let now = shop.clock.now();
        if order.view().is_none_or(|view| view.is_closed()) {
            return Ok(false);
        }
        let Some(payment) = checkout.renew(now) else { return Ok(false) };
        let mut batch = Batch::new();
        send_task(&mut batch, &mut order, checkout.gateway.as_str(), payment, now);
        let listed_at = order_stored.body.listed_at;
        batch.put(DocKey::order(number), Expect::At(order_stored.version), &order, listed_at);
        batch.put(DocKey::checkout(number), Expect::At(version), &checkout, now);
        match shop.store.commit(batch).await {
            Ok(()) => {
                shop.news.tell(number);
                return Ok(true);
            }
            Err(CommitError::Conflict | CommitError::LostLease) => {}
            Err(CommitError::Unavailable(why)) => return Err(why),
        }
    }
    Err(crowded())
}
