//! Creates a payment when a buyer asks to pay and the payment system has none
//! that can take the money.
//!
//! Payment systems end payments by themselves, after an hour or when the bank
//! has declined. That must not lose the buyer, but it is also no reason to
//! create payments that nobody asks for. Where an open payment cannot be
//! cancelled, none is created before the buyer asks, because an order that may
//! still change must not have one (docs/adr/0019).

use super::effects::Task;
use super::transaction::{Staged, transact};
use super::{OrderRecord, Services, load_record};
use crate::orders::Number;
use crate::payments::{Operator, OperatorAction, PaymentId, PaymentNote};
use crate::store::Unavailable;

/// Who requests the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedBy<'a> {
    /// The buyer asks to pay.
    Buyer,
    /// The operator has fixed the reason why the payment system refused this
    /// payment, which is the latest one of the order.
    Operator(PaymentId, &'a Operator),
}

/// Plans the requested payment. Returns `false` if there is nothing to wait
/// for.
pub async fn open_payment(
    services: &Services,
    number: Number,
    requested_by: RequestedBy<'_>,
) -> Result<bool, Unavailable> {
    transact(services, "open_payment", |mut tx| async move {
        let record = load_record(&services.store, number).await?;
        let Some(mut billed) = record.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(false));
        };
        let now = tx.now;
        // An order that was handed over can still be paid, for example at the
        // door.
        if billed.order.view().is_none_or(|view| view.cancelled.is_some() || view.paid.is_some()) {
            return Ok(Staged::Unchanged(false));
        }
        let checkout = &mut billed.checkout;
        let by_hand = match requested_by {
            RequestedBy::Buyer => false,
            RequestedBy::Operator(id, operator)
                if checkout.payments.last().is_some_and(|last| last.id == id) =>
            {
                checkout.note(
                    now,
                    Some(id),
                    PaymentNote::by_operator(OperatorAction::Retry, None, operator),
                );
                checkout.resolve(id);
                true
            }
            RequestedBy::Operator(..) => return Ok(Staged::Unchanged(false)),
        };
        let Some(payment) = checkout.renew(by_hand, now) else {
            return Ok(Staged::Unchanged(false));
        };
        tx.start(&mut billed, Task::Payment { payment });
        billed.write(&mut tx);
        tx.wake_watchers(number);
        Ok(tx.commit(true))
    })
    .await
}
