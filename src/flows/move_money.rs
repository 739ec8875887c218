//! A merchant takes money that is held, or pays money back: once for each request, and never more than there is.

use super::effects::Task;
use super::transaction::{Staged, transact};
use super::{OrderRecord, Shop, load_kept_record};
use crate::kernel::{Fingerprint, PartyName};
use crate::orders::Number;
use crate::payments::{LineRef, NotPlanned, OperationId, OperationKind, Part, PaymentId};
use crate::store::Unavailable;

/// A request of a site.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose site.
    pub merchant: PartyName,
    /// Which order.
    pub number: Number,
    /// What it wants: a refund, or a capture.
    pub kind: OperationKind,
    /// Which payment to pay back, if it says so.
    pub payment: Option<PaymentId>,
    /// How much of which line; nothing for all that is left.
    pub parts: Vec<(LineRef, Part)>,
    /// Why, for the payer to read.
    pub reason: Option<String>,
    /// Of the request under its idempotency key, to know its repeat by.
    pub asked: Fingerprint,
}

/// Why it is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// This merchant has no such order.
    NotFound,
    /// What stands against it.
    No(NotPlanned),
}

/// Plans the operation, unless this request has planned it already.
pub async fn move_money(shop: &Shop, request: &Request) -> Result<Result<OperationId, Refused>, Unavailable> {
    let number = request.number;
    transact(shop, "move_money", |mut tx| async move {
        let record = load_kept_record(&shop.store, number).await?;
        let own = record.filter(|record| record.order.source == request.merchant);
        let Some(mut billed) = own.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        let checkout = &mut billed.checkout;
        if let Some(known) = checkout.operations.iter().find(|known| known.asked == Some(request.asked)) {
            return Ok(Staged::Unchanged(Ok(known.id)));
        }
        let now = tx.now;
        let planned = match request.kind {
            OperationKind::Capture => checkout.plan_capture(&request.parts, Some(request.asked), now),
            OperationKind::Refund => {
                let why = (request.reason.clone(), Some(request.asked));
                checkout.plan_refund(request.payment, &request.parts, why.0, why.1, now)
            }
            OperationKind::Shipment => {
                let handover = shop.handover(&checkout.gateway);
                checkout.plan_shipment(handover, now).ok_or(NotPlanned::NothingLeft)
            }
        };
        let id = match planned {
            Ok(id) => id,
            Err(why) => return Ok(Staged::Unchanged(Err(Refused::No(why)))),
        };
        tx.start(&mut billed, Task::Operation { operation: id });
        billed.write(&mut tx);
        tx.tell_followers(number);
        Ok(tx.commit(Ok(id)))
    })
    .await
}
