//! A merchant pays money back: once for each request, and never more than came.

use serde::Serialize;

use super::bill_order::send_operation;
use super::{DECISIONS_MAX, Dossier, Shop, crowded, load_dossier};
use crate::kernel::{Fingerprint, Money, Number, Quantity, SourceName, Timestamp};
use crate::orders::Amount;
use crate::payments::{NotTakenBack, Operation, OperationId, OperationState, Part, PaymentId};
use crate::store::{Batch, CommitError, DocKey, Expect, Unavailable};

/// A request of a site.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose site.
    pub merchant: SourceName,
    /// Which order.
    pub number: Number,
    /// Which payment, if it says so.
    pub payment: Option<PaymentId>,
    /// How much of which article; nothing for all that is left.
    pub parts: Vec<(String, Part)>,
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
    No(NotTakenBack),
}

/// Plans the refund, unless this request has planned it already.
pub async fn pay_back(shop: &Shop, request: &Request) -> Result<Result<OperationId, Refused>, Unavailable> {
    let number = request.number;
    for _ in 0..DECISIONS_MAX {
        let dossier = load_dossier(&shop.store, number).await?;
        let own = dossier.filter(|dossier| dossier.order.source == request.merchant);
        let Some(Dossier { mut order, order_stored, checkout: Some((mut checkout, version)) }) = own else {
            return Ok(Err(Refused::NotFound));
        };
        if let Some(known) = checkout.refunds().find(|refund| refund.asked == Some(request.asked)) {
            return Ok(Ok(known.id));
        }
        let now = shop.clock.now();
        let why = (request.reason.clone(), Some(request.asked));
        let id = match checkout.plan_refund(request.payment, &request.parts, why, now) {
            Ok(id) => id,
            Err(why) => return Ok(Err(Refused::No(why))),
        };
        let mut batch = Batch::new();
        send_operation(&mut batch, &mut order, checkout.gateway.as_str(), id, now);
        let stored = (Expect::At(order_stored.version), order_stored.body.listed_at);
        batch.put(DocKey::order(number), stored.0, &order, stored.1);
        batch.put(DocKey::checkout(number), Expect::At(version), &checkout, now);
        match shop.store.commit(batch).await {
            Ok(()) => {
                shop.news.tell(number);
                return Ok(Ok(id));
            }
            Err(CommitError::Conflict | CommitError::LostLease) => {}
            Err(CommitError::Unavailable(why)) => return Err(why),
        }
    }
    Err(crowded())
}

/// A refund as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct RefundDocument {
    /// Its number, here and at the payment system.
    pub id: OperationId,
    /// The payment whose money goes back.
    pub payment_id: PaymentId,
    /// `pending`, `succeeded`, `failed` (the payment system will not make it), or `review`: a person must look at it.
    pub state: &'static str,
    /// The sum.
    pub amount: Amount,
    /// What of.
    pub items: Vec<RefundItem>,
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

/// A line of a refund.
#[derive(Debug, Clone, Serialize)]
pub struct RefundItem {
    /// The article.
    pub sku: String,
    /// How much goes back.
    pub quantity: Quantity,
    /// The sum.
    pub amount: Money,
}

impl RefundDocument {
    /// Shows a refund.
    #[must_use]
    pub fn of(refund: &Operation) -> RefundDocument {
        let (state, problem, succeeded_at) = match &refund.state {
            OperationState::Planned
            | OperationState::Sending { .. }
            | OperationState::Unknown { .. }
            | OperationState::Accepted { .. } => ("pending", None, None),
            OperationState::Done { at } => ("succeeded", None, Some(*at)),
            OperationState::Refused { why, .. } => ("failed", Some(why.clone()), None),
            OperationState::Frozen { why, .. } => ("review", Some(why.clone()), None),
        };
        let item = |line: &crate::payments::Line| RefundItem {
            sku: line.sku.clone(),
            quantity: line.quantity,
            amount: line.total,
        };
        RefundDocument {
            id: refund.id,
            payment_id: refund.id.payment,
            state,
            amount: refund.total.into(),
            items: refund.lines.iter().map(item).collect(),
            reason: refund.reason.clone(),
            problem,
            created_at: refund.created_at,
            succeeded_at,
        }
    }
}
