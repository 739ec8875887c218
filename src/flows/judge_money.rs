//! A person decides about money that came and did not fit: it counts for the order as it is now, or it goes back.

use super::effects::MoneyCame;
use super::transaction::{Staged, transact};
use super::{OrderRecord, Shop, load_kept_record, move_money};
use crate::kernel::chance::random_bytes;
use crate::kernel::{Fingerprint, HookId};
use crate::payments::{Checkout, NotPlanned, OperationId, OperationKind, Payment, PaymentId, PaymentNote};
use crate::store::Unavailable;

/// Why it is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such payment.
    #[error("there is no such payment")]
    NotFound,
    /// Nobody need decide about it.
    #[error("it has brought no money that waits for a decision")]
    NotInReview,
    /// The order is paid by another one.
    #[error("the order is paid by payment {0}: pay this one back")]
    PaidOtherwise(PaymentId),
    /// The order was called off.
    #[error("the order is cancelled: pay it back")]
    Cancelled,
    /// It cannot go back.
    #[error("{0}")]
    NotPlanned(NotPlanned),
}

/// Takes the money for the order as it stands now: it is paid, and everyone is told so.
pub async fn accept(shop: &Shop, id: PaymentId) -> Result<Result<(), Refused>, Unavailable> {
    transact(shop, "accept_money", |mut tx| async move {
        let record = load_kept_record(&shop.store, id.number).await?;
        let Some(mut billed) = record.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        let (now, checkout) = (tx.now, &mut billed.checkout);
        if let Err(why) = may_be_accepted(checkout, id) {
            return Ok(Staged::Unchanged(Err(why)));
        }
        if billed.order.view().is_none_or(|view| view.cancelled.is_some()) {
            return Ok(Staged::Unchanged(Err(Refused::Cancelled)));
        }
        checkout.note(now, Some(id), PaymentNote::AcceptedByOperator);
        checkout.resolve(id);
        let mut remote_id = None;
        if let Some(payment) = checkout.payment_mut(id) {
            payment.superseded = None;
            remote_id.clone_from(&payment.paid_under);
        }
        let fingerprint = Fingerprint::of(&[b"accepted by a person", id.to_string().as_bytes()]);
        let event = HookId { partition: id.number.partition(), fingerprint };
        tx.pay(billed, MoneyCame { payment: id, event, remote_id });
        tx.tell_followers(id.number);
        Ok(tx.commit(Ok(())))
    })
    .await
}

fn may_be_accepted(checkout: &Checkout, id: PaymentId) -> Result<(), Refused> {
    let payment = checkout.payments.iter().find(|payment| payment.id == id).ok_or(Refused::NotFound)?;
    if let Some(paid) = checkout.payments.iter().find(|payment| payment.is_paid() && payment.id != id) {
        return Err(Refused::PaidOtherwise(paid.id));
    }
    let goes_back = checkout.refunds().any(|refund| refund.id.payment == id && refund.counts());
    if !payment.took_money() || payment.superseded.is_none() || goes_back {
        return Err(Refused::NotInReview);
    }
    Ok(())
}

/// Pays back all that is left of it.
pub async fn refund(shop: &Shop, id: PaymentId) -> Result<Result<OperationId, Refused>, Unavailable> {
    let Some(OrderRecord { order, checkout: Some(checkout), .. }) =
        load_kept_record(&shop.store, id.number).await?
    else {
        return Ok(Err(Refused::NotFound));
    };
    if !checkout.payments.iter().any(|payment: &Payment| payment.id == id) {
        return Ok(Err(Refused::NotFound));
    }
    let request = move_money::Request {
        merchant: order.source.clone(),
        number: id.number,
        kind: OperationKind::Refund,
        payment: Some(id),
        parts: Vec::new(),
        reason: None,
        // A repeat finds nothing left; after a refusal it is another request.
        asked: Fingerprint::of(&[b"asked by a person", &random_bytes::<16>()]),
    };
    Ok(move_money::move_money(shop, &request).await?.map_err(|why| match why {
        move_money::Refused::NotFound => Refused::NotFound,
        move_money::Refused::No(why) => Refused::NotPlanned(why),
    }))
}
