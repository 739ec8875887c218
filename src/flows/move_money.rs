//! Captures held money or refunds money at the request of a merchant: once for
//! each request, and never more than there is.

use super::effects::Task;
use super::transaction::{Staged, transact};
use super::{OrderRecord, Services, load_kept_record};
use crate::kernel::{Fingerprint, PartyName};
use crate::orders::Number;
use crate::payments::{LineRef, NotPlanned, OperationId, OperationKind, Part, PaymentId};
use crate::store::Unavailable;

/// A request of a site to move money.
#[derive(Debug, Clone)]
pub struct Request {
    /// The merchant whose site sends the request.
    pub merchant: PartyName,
    pub number: Number,
    /// A refund or a capture.
    pub kind: OperationKind,
    /// The payment to refund, if the request names one.
    pub payment: Option<PaymentId>,
    /// How much of which line; empty for all that is left.
    pub parts: Vec<(LineRef, Part)>,
    /// The reason, which the payer sees.
    pub reason: Option<String>,
    /// The fingerprint of the request with its idempotency key, which
    /// identifies a repeat.
    pub request_fingerprint: Fingerprint,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The merchant has no such order.
    NotFound,
    /// The operation cannot be planned, for this reason.
    No(NotPlanned),
}

/// Plans the operation, unless this request has already planned it.
pub async fn move_money(
    services: &Services,
    request: &Request,
) -> Result<Result<OperationId, Refused>, Unavailable> {
    let number = request.number;
    transact(services, "move_money", |mut tx| async move {
        let record = load_kept_record(&services.store, number).await?;
        let own = record.filter(|record| record.order.source == request.merchant);
        let Some(mut billed) = own.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(Err(Refused::NotFound)));
        };
        let checkout = &mut billed.checkout;
        if let Some(known) = checkout
            .operations
            .iter()
            .find(|known| known.request_fingerprint == Some(request.request_fingerprint))
        {
            return Ok(Staged::Unchanged(Ok(known.id)));
        }
        let now = tx.now;
        let planned = match request.kind {
            OperationKind::Capture => {
                checkout.plan_capture(&request.parts, Some(request.request_fingerprint), now)
            }
            OperationKind::Refund => {
                let why = (request.reason.clone(), Some(request.request_fingerprint));
                checkout.plan_refund(request.payment, &request.parts, why.0, why.1, now)
            }
            OperationKind::Shipment => {
                let shipment_report = services.shipment_report(&checkout.gateway);
                checkout.plan_shipment(shipment_report, now).ok_or(NotPlanned::NothingLeft)
            }
        };
        let id = match planned {
            Ok(id) => id,
            Err(why) => return Ok(Staged::Unchanged(Err(Refused::No(why)))),
        };
        tx.start(&mut billed, Task::Operation { operation: id });
        billed.write(&mut tx);
        tx.wake_watchers(number);
        Ok(tx.commit(Ok(id)))
    })
    .await
}
