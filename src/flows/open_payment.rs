//! A buyer asks to pay, and nothing is at the payment system that takes the money: a payment is made.
//!
//! Payment systems let a payment die by themselves, after an hour, or when the bank has said no. That is no reason to lose
//! the buyer, and no reason to make payments that nobody asks for. And where a payment that waits cannot be cancelled, there
//! is none at all before its buyer asks: an order that still changes has none (docs/adr/0019).

use super::effects::Task;
use super::transaction::{Staged, transact};
use super::{OrderRecord, Shop, load_record};
use crate::orders::Number;
use crate::payments::{PaymentId, PaymentNote};
use crate::store::Unavailable;

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
    transact(shop, "open_payment", |mut tx| async move {
        let record = load_record(&shop.store, number).await?;
        let Some(mut billed) = record.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(false));
        };
        let now = tx.now;
        // What was handed over can be paid still: at the door, say.
        if billed.order.view().is_none_or(|view| view.cancelled.is_some() || view.paid.is_some()) {
            return Ok(Staged::Unchanged(false));
        }
        let checkout = &mut billed.checkout;
        let by_hand = match wanting {
            Wanting::Buyer => false,
            Wanting::Operator(id) if checkout.payments.last().is_some_and(|last| last.id == id) => {
                checkout.note(now, Some(id), PaymentNote::RepeatedByOperator);
                checkout.resolve(id);
                true
            }
            Wanting::Operator(_) => return Ok(Staged::Unchanged(false)),
        };
        let Some(payment) = checkout.renew(by_hand, now) else { return Ok(Staged::Unchanged(false)) };
        tx.start(&mut billed, Task::Payment { payment });
        billed.write(&mut tx);
        tx.tell_followers(number);
        Ok(tx.commit(true))
    })
    .await
}
