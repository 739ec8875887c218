//! Decisions of a person about money that does not fit its order: it counts for
//! the order as it is now, or it is refunded.

use super::effects::{MoneyCame, Task};
use super::transaction::{Staged, transact};
use super::{OrderRecord, Services, fetch_bill, load_kept_record};
use crate::kernel::{Fingerprint, HookId, Money};
use crate::payments::{
    Checkout, NotPlanned, OperationId, Operator, OperatorAction, PaymentId, PaymentNote,
};
use crate::store::Unavailable;

/// Why a decision is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such payment")]
    NotFound,
    /// It does not need a decision.
    #[error("it has no money that needs a decision")]
    NotInReview,
    /// The order is paid by another payment.
    #[error("the order is paid by payment {0}: refund this one")]
    PaidOtherwise(PaymentId),
    /// The order is cancelled.
    #[error("the order is cancelled: refund it")]
    Cancelled,
    /// It cannot be refunded.
    #[error("{0}")]
    NotPlanned(NotPlanned),
}

/// Accepts the money for the order as it is now: the order is paid, and all
/// parties are informed.
pub async fn accept(
    services: &Services,
    id: PaymentId,
    operator: &Operator,
) -> Result<Result<(), Refused>, Unavailable> {
    transact(services, "accept_money", |mut tx| async move {
        let record = load_kept_record(&services.store, id.number).await?;
        let Some(mut billed) = record.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        let (now, checkout) = (tx.now, &mut billed.checkout);
        checkout.record_other_amount(id, now);
        if let Err(why) = may_be_accepted(checkout, id) {
            return Ok(Staged::Unchanged(Err(why)));
        }
        if billed.order.view().is_none_or(|view| view.cancelled.is_some()) {
            return Ok(Staged::Unchanged(Err(Refused::Cancelled)));
        }
        checkout.note(
            now,
            Some(id),
            PaymentNote::by_operator(OperatorAction::Accept, None, operator),
        );
        checkout.resolve(id);
        let mut remote_id = None;
        if let Some(payment) = checkout.payment_mut(id) {
            payment.superseded = None;
            remote_id.clone_from(&payment.paid_under);
        }
        let fingerprint = Fingerprint::of(&[b"accepted by a person", id.to_string().as_bytes()]);
        let event = HookId { partition: id.number.partition(), fingerprint };
        tx.pay(billed, MoneyCame { payment: id, event, remote_id });
        tx.wake_watchers(id.number);
        Ok(tx.commit(Ok(())))
    })
    .await
}

fn may_be_accepted(checkout: &Checkout, id: PaymentId) -> Result<(), Refused> {
    let payment = checkout.payment(id).ok_or(Refused::NotFound)?;
    if let Some(paid) =
        checkout.payments.iter().find(|payment| payment.is_paid() && payment.id != id)
    {
        return Err(Refused::PaidOtherwise(paid.id));
    }
    let goes_back = checkout.refunds().any(|refund| refund.id.payment == id && refund.counts());
    if !payment.was_paid() || payment.superseded.is_none() || goes_back {
        return Err(Refused::NotInReview);
    }
    Ok(())
}

/// Refunds `amount` of a payment, or all that is left of it.
pub async fn refund(
    services: &Services,
    id: PaymentId,
    amount: Option<Money>,
    operator: &Operator,
) -> Result<Result<OperationId, Refused>, Unavailable> {
    transact(services, "refund_money", |mut tx| async move {
        let mut record = load_kept_record(&services.store, id.number).await?;
        if let Some(record) = &mut record {
            fetch_bill(&services.store, record, id).await?;
        }
        let Some(mut billed) = record.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        let (now, checkout) = (tx.now, &mut billed.checkout);
        if !checkout.payments.iter().any(|payment| payment.id == id) {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        }
        checkout.record_other_amount(id, now);
        let parts = amount.map_or(Ok(Vec::new()), |amount| checkout.parts_of_amount(id, amount));
        let planned = parts.and_then(|parts| {
            checkout.plan_refund(Some(id), &parts, operator.reason.clone(), None, now)
        });
        let operation = match planned {
            Ok(operation) => operation,
            Err(why) => return Ok(Staged::Unchanged(Err(Refused::NotPlanned(why)))),
        };
        let note = PaymentNote::by_operator(OperatorAction::Refund, Some(operation), operator);
        checkout.note(now, Some(id), note);
        tx.start(&mut billed, Task::Operation { operation });
        billed.write(&mut tx);
        tx.wake_watchers(id.number);
        Ok(tx.commit(Ok(operation)))
    })
    .await
}
