//! A merchant takes money that is held, or pays money back: once for each request, and never more than there is.

use serde::Serialize;
use utoipa::ToSchema;

use super::effects::Task;
use super::transaction::{Staged, transact};
use super::{OrderRecord, Shop, load_kept_record};
use crate::kernel::{Fingerprint, Money, Number, Quantity, SourceName, Timestamp};
use crate::orders::Amount;
use crate::payments::{
    LineRef, NotPlanned, Operation, OperationId, OperationKind, OperationState, Part, PaymentId,
};
use crate::store::Unavailable;

/// A request of a site.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose site.
    pub merchant: SourceName,
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
                checkout.plan_refund(request.payment, &request.parts, why, now)
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

/// A refund or a capture as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Operation)]
pub struct OperationDocument {
    /// Its number, here and at the payment system.
    pub id: OperationId,
    /// The payment whose money it is.
    pub payment_id: PaymentId,
    /// `pending`, `succeeded`, `failed` (the payment system will not make it), or `review`: a person must look at it.
    pub state: &'static str,
    /// The sum.
    pub amount: Amount,
    /// What of.
    pub items: Vec<OperationItem>,
    /// Why, in the merchant's words.
    pub reason: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the payment system had made it.
    pub succeeded_at: Option<Timestamp>,
}

/// A line of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OperationItem {
    /// Its place in the order, 1 for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The article.
    pub sku: String,
    /// How much of the goods; 0 when only money went back.
    pub quantity: Quantity,
    /// The sum.
    pub amount: Money,
}

impl OperationDocument {
    /// Shows an operation.
    #[must_use]
    pub fn of(operation: &Operation) -> OperationDocument {
        let (state, problem, succeeded_at) = match &operation.state {
            OperationState::Planned
            | OperationState::Sending { .. }
            | OperationState::Unknown { .. }
            | OperationState::Accepted { .. } => ("pending", None, None),
            OperationState::Done { at } => ("succeeded", None, Some(*at)),
            OperationState::Refused { why, .. } => ("failed", Some(why.clone()), None),
            OperationState::Frozen { why, .. } => ("review", Some(why.clone()), None),
        };
        let item = |line: &crate::payments::Line| OperationItem {
            line: line.place,
            sku: line.sku.clone(),
            quantity: line.goods(),
            amount: line.total,
        };
        OperationDocument {
            id: operation.id,
            payment_id: operation.id.payment,
            state,
            amount: operation.total.into(),
            items: operation.lines.iter().map(item).collect(),
            reason: operation.reason.clone(),
            problem,
            created_at: operation.created_at,
            succeeded_at,
        }
    }
}
