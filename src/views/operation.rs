//! A refund, a capture or a shipment.

use serde::Serialize;
use utoipa::ToSchema;

use super::ReasonShape;
use super::amount::Amount;
use super::schema::{MoneyText, QuantityText};
use crate::kernel::{Money, Quantity, Timestamp};
use crate::payments::{Line, Operation, OperationId, OperationState, PaymentId, PaymentProblem};
use crate::texts::{Language, Worded};

/// How far it has come, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationPhase {
    Pending,
    Succeeded,
    Failed,
    Review,
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
    #[schema(value_type = String)]
    pub state: OperationPhase,
    /// How much money is moved in all.
    pub amount: Amount,
    /// The lines that it is about, with what of each.
    pub items: Vec<OperationItem>,
    /// Why, in the merchant's words.
    pub reason: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReasonShape>)]
    pub problem: Option<Worded<PaymentProblem>>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the payment system had made it.
    pub succeeded_at: Option<Timestamp>,
}

/// A line of a refund or a capture.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OperationItem {
    /// Its place in the order, 1 for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Your number of the article.
    pub sku: String,
    /// How much of the goods; 0 when only money went back.
    #[schema(value_type = QuantityText)]
    pub quantity: Quantity,
    /// How much money is moved for this line.
    #[schema(value_type = MoneyText)]
    pub amount: Money,
}

impl OperationDocument {
    /// Shows an operation.
    #[must_use]
    pub fn of(operation: &Operation, language: Language) -> OperationDocument {
        let (state, problem, succeeded_at) = match &operation.state {
            OperationState::Planned
            | OperationState::Sending { .. }
            | OperationState::Unknown { .. }
            | OperationState::Accepted { .. } => (OperationPhase::Pending, None, None),
            OperationState::Done { at } => (OperationPhase::Succeeded, None, Some(*at)),
            OperationState::Refused { reason, .. } => {
                (OperationPhase::Failed, Some(PaymentProblem::Refused { reason: reason.clone() }), None)
            }
            OperationState::Frozen { mismatch, .. } => {
                let problem = PaymentProblem::Mismatch { mismatch: mismatch.clone() };
                (OperationPhase::Review, Some(problem), None)
            }
        };
        let item = |line: &Line| OperationItem {
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
            problem: problem.map(|problem| Worded::of(problem, language)),
            created_at: operation.created_at,
            succeeded_at,
        }
    }
}
