//! A buyer asks to pay, and nothing is at the payment system that takes the money: a payment is made.
//!
//! Payment systems let a payment die by themselves, after an hour, or when the bank has said no. That is no reason to lose
//! the buyer, and no reason to make payments that nobody asks for. And where a payment that waits cannot be cancelled, there
//! is none at all before its buyer asks: an order that still changes has none (docs/adr/0019).

use super::bill_order::send_task;
use super::{DECISIONS_MAX, Dossier, Shop, crowded, load_dossier};
use crate::kernel::Number;
use crate::payments::PaymentId;
use crate::store::{Batch, CommitError, DocKey, Expect, Unavailable};

/// Who wants another payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanting {
    /// The buyer asks to pay.
    Buyer,
    /// A person of ours has mended why the payment system would not have this one, which is the latest.
    Operator(PaymentId),
}

/// Plans the payment that is wanted. Says whether there is one to wait for.
pub async fn open_payment(shop: &Shop, number: Number, wanting: Wanting) -> Result<bool, Unavailable> {
    for _ in 0..DECISIONS_MAX {
        let dossier = load_dossier(&shop.store, number).await?;
        let Some(Dossier { mut order, order_stored, checkout: Some((mut checkout, version)) }) = dossier
        else {
            return Ok(false);
        };
        let now = shop.clock.now();
        // What was handed over can be paid still: at the door, say.
        if order.view().is_none_or(|view| view.cancelled.is_some() || view.paid.is_some()) {
            return Ok(false);
        }
        let by_hand = match wanting {
            Wanting::Buyer => false,
            Wanting::Operator(id) if checkout.payments.last().is_some_and(|last| last.id == id) => {
                checkout.note(now, Some(id), "asked for again by a person");
                checkout.resolve(id);
                true
            }
            Wanting::Operator(_) => return Ok(false),
        };
        let Some(payment) = checkout.renew(by_hand, now) else { return Ok(false) };
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
