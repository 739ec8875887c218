//! A refund or a capture, as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use super::ReasonShape;
use super::amount::Amount;
use super::schema::{MoneyText, QuantityText};
use crate::kernel::{Money, Quantity, Timestamp};
use crate::payments::{Line, Operation, OperationId, OperationState, PaymentId, PaymentProblem};
use crate::texts::{Language, WithText};

/// The phase of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationPhase {
    Pending,
    Succeeded,
    Failed,
    Review,
}

/// A refund or a capture.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Operation)]
pub struct OperationDocument {
    /// The operation's id, here and at the payment system.
    pub id: OperationId,
    /// The payment whose money is refunded or captured.
    pub payment_id: PaymentId,
    /// `pending`, `succeeded`, `failed` (the payment system refused it), or
    /// `review`: the payment system has something else than was requested, and
    /// a person must decide.
    #[schema(value_type = String)]
    pub state: OperationPhase,
    /// The total amount that is refunded or captured.
    pub amount: Amount,
    /// The lines of the order that it is about, with the part of each.
    pub items: Vec<OperationItem>,
    /// The reason that you gave for it; null if you gave none.
    pub reason: Option<String>,
    /// What is wrong with it. The field is absent if nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReasonShape>)]
    pub problem: Option<WithText<PaymentProblem>>,
    /// When it was requested: RFC 3339, UTC.
    pub created_at: Timestamp,
    /// When the payment system completed it: RFC 3339, UTC; null if it has not.
    pub succeeded_at: Option<Timestamp>,
}

/// A line of a refund or a capture.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OperationItem {
    /// The line's place in the order, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Your article number.
    pub sku: String,
    /// The quantity of goods that is refunded or captured: a decimal with at
    /// most three places. It is 0 if only money was refunded.
    #[schema(value_type = QuantityText)]
    pub quantity: Quantity,
    /// The amount that is refunded or captured for this line, in roubles.
    #[schema(value_type = MoneyText)]
    pub amount: Money,
}

impl OperationDocument {
    #[must_use]
    pub fn of(operation: &Operation, language: Language) -> OperationDocument {
        let (state, problem, succeeded_at) = match &operation.state {
            OperationState::Planned
            | OperationState::Sending { .. }
            | OperationState::Unknown { .. }
            | OperationState::Accepted { .. } => (OperationPhase::Pending, None, None),
            OperationState::Done { at } => (OperationPhase::Succeeded, None, Some(*at)),
            OperationState::Refused { reason, .. } => (
                OperationPhase::Failed,
                Some(PaymentProblem::Refused { reason: reason.clone() }),
                None,
            ),
            OperationState::NeedsReview { mismatch, .. } => {
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
            problem: problem.map(|problem| WithText::of(problem, language)),
            created_at: operation.created_at,
            succeeded_at,
        }
    }
}
