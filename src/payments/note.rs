//! What happened to an order's payments, in its stored form: kinds with their
//! parameters. Texts for people are made of them when they are shown.

use serde::{Deserialize, Serialize};

use super::operation_id::{OperationId, OperationKind};
use super::operator::{Operator, OperatorAction};
use super::payment_id::PaymentId;
use crate::kernel::{Currency, Money, PartyName, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Timestamp,
    /// The payment that it is about, if it is about one.
    pub payment: Option<PaymentId>,
    #[serde(flatten)]
    pub note: PaymentNote,
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    pub at: Timestamp,
    /// The payment that it is about, if it is about one.
    pub payment: Option<PaymentId>,
    #[serde(flatten)]
    pub note: PaymentNote,
}

/// An event in the life of an order's payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PaymentNote {
    /// A payment was planned.
    PaymentPlanned {
        amount: Money,
        revision: u32,
    },
    /// The payment was dropped before anything was sent.
    PaymentDropped {
        reason: Superseded,
    },
    /// The payment will be cancelled at the payment system.
    CancelRequested {
        reason: Superseded,
    },
    /// The outcome of a call is unknown: the payment system may have the
    /// payment.
    PaymentUnknown {
        reason: Option<RetryReason>,
    },
    /// A look-up did not find the payment.
    PaymentNotFound {
        looks: u32,
    },
    /// The buyer can pay.
    PaymentLinked {
        remote_id: Option<String>,
    },
    PaymentHeld {
        remote_id: Option<String>,
    },
    /// A look-up at the payment system shows that it is paid.
    PaymentFoundPaid {
        remote_id: Option<String>,
    },
    PaymentPaid {
        amount: Money,
        remote_id: Option<String>,
    },
    /// The payment system refused the payment.
    PaymentRefused {
        reason: Refusal,
    },
    /// The payment system has something else than was sent: the payment needs
    /// review.
    PaymentNeedsReview {
        mismatch: Mismatch,
    },
    /// The payment can no longer be paid.
    PaymentCancelled,
    /// The payment has expired.
    PaymentExpired,
    /// The payment could not be settled for so long that it is not tried any
    /// more.
    PaymentGivenUp {
        reason: RetryReason,
    },
    /// The time to pay ended, and nobody had asked to pay.
    EndedUnrequested,
    /// The order has reached the limit of payments.
    TooManyPayments {
        payments_max: usize,
    },
    /// An operator decided about the payment or one of its operations. `by` is
    /// the name that the caller claims.
    ByOperator {
        action: OperatorAction,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operation: Option<OperationId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An operator has seen the note.
    Seen {
        note: Box<PaymentNote>,
    },
    /// Money came by a payment that should not have taken it.
    UnwantedMoney {
        reason: Superseded,
    },
    /// The order is paid, and money came by another payment or under another
    /// id.
    PaidTwice {
        paid: PaymentId,
        number: String,
        remote_id: String,
    },
    /// A notification does not match what is stored.
    NotificationMismatch {
        number: String,
        mismatch: Mismatch,
    },
    /// The order is paid, and it was cancelled.
    PaidButCancelled {
        amount: Money,
    },
    /// The order is paid, and its total has changed.
    PaidOtherTotal {
        paid: Money,
        total: Money,
    },
    /// Money is being captured, and the order's total has changed.
    CapturedOtherTotal {
        capture: OperationId,
        amount: Money,
    },
    /// More is held than the order's current total.
    CaptureLess {
        held: Money,
        amount: Money,
    },
    /// Another description, payer or expiry will be sent to the payment system.
    UpdatePlanned,
    /// The payment system made the update.
    Updated,
    /// This payment system cannot make updates; the next payment will have the
    /// new bill.
    UpdateNotSupported,
    /// The payment system did not make the update.
    UpdateRefused {
        reason: RetryReason,
    },
    /// The buyer paid before the payment system was sent the update.
    UpdatedTooLate,
    /// A refund, a capture or a shipment was planned.
    OperationPlanned {
        operation: OperationId,
        operation_kind: OperationKind,
        amount: Money,
    },
    /// The outcome of a call is unknown: the payment system may have the
    /// operation.
    OperationUnknown {
        operation: OperationId,
        operation_kind: OperationKind,
        reason: Option<RetryReason>,
    },
    /// A look-up did not find the operation.
    OperationNotFound {
        operation: OperationId,
        operation_kind: OperationKind,
        looks: u32,
    },
    /// The payment system has accepted the operation.
    OperationAccepted {
        operation: OperationId,
        operation_kind: OperationKind,
    },
    OperationDone {
        operation: OperationId,
        operation_kind: OperationKind,
        amount: Money,
    },
    /// An operator has made sure that the operation will not be carried out.
    OperationDropped {
        operation: OperationId,
        operation_kind: OperationKind,
        amount: Money,
    },
    /// The payment system refused the operation.
    OperationRefused {
        operation: OperationId,
        operation_kind: OperationKind,
        amount: Money,
        reason: Refusal,
    },
    /// The payment system has something else than was sent: the operation needs
    /// review.
    OperationNeedsReview {
        operation: OperationId,
        operation_kind: OperationKind,
        mismatch: Mismatch,
    },
    /// The operation could not be settled for so long that it is not tried any
    /// more.
    OperationGivenUp {
        operation: OperationId,
        operation_kind: OperationKind,
        reason: RetryReason,
    },
    /// A refund was made at the payment system, not by us.
    RefundedOutside {
        amount: Money,
        remote_id: String,
    },
    /// The payment system shows a refund that is not possible.
    OutsideRefundMismatch {
        amount: Money,
        remote_id: String,
        reason: UnfitRefund,
    },
    /// The goods were handed over after a part of their money had been
    /// refunded.
    ShippedAfterRefund {
        amount: Money,
    },
}

/// Why a payment should no longer take money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Superseded {
    /// The order has changed.
    OrderChanged,
    /// The order must not be paid any more.
    NotPayable,
    /// Money came by another payment.
    PaidByAnother,
    /// It had ended at the payment system.
    Ended,
    /// Another amount came than was asked for.
    OtherAmount,
}

/// Why something will not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Refusal {
    /// The payment system refused it.
    ByPaymentSystem {
        /// The reason in its own words.
        said: String,
    },
    /// This payment system has no such request.
    NotExpressible {
        /// What it has no request for.
        detail: String,
    },
    /// The payment system has cancelled it.
    Cancelled,
    /// An operator has made sure that it was not carried out and will not be.
    ByOperator,
}

/// A difference between what the payment system has and what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Mismatch {
    /// More than one object under the same number.
    Several,
    Number {
        found: String,
    },
    Account {
        found: String,
        expected: String,
    },
    /// Another amount or currency.
    Amount {
        found: Money,
        found_currency: String,
        expected: Money,
    },
    /// A notification of an amount that was not requested.
    NotificationAmount {
        found: Money,
        expected: Money,
    },
    /// A notification in a currency that was not requested.
    NotificationCurrency {
        found: String,
        expected: Currency,
    },
    RemoteId {
        found: String,
        expected: String,
    },
    /// Another number or amount of a refund, a capture or a shipment.
    Operation {
        found: String,
        found_amount: Money,
        expected: OperationId,
        expected_amount: Money,
    },
}

/// Why something is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RetryReason {
    /// Everything is in order: a payment waits for its buyer, or a refund for
    /// the bank.
    Waits,
    CallFailed {
        /// What the payment system or the connection said.
        said: String,
    },
    /// The process that was calling has died, and the outcome of the call is
    /// unknown.
    Interrupted,
    /// The number is used already: an earlier call was carried out after all.
    NumberUsed,
    /// A look-up did not find it.
    NotFound {
        looks: u32,
    },
    /// The payment system did have it and no longer shows it.
    NotShown,
    ToBeCancelled,
    /// The payment system returned no address that a buyer may be sent to.
    NoPaymentUrl,
    /// The payment system shows another expiry than it was sent.
    OtherExpiry,
    /// Its status at the payment system means neither that it waits nor that it
    /// has ended.
    Status {
        status: String,
    },
    /// Its money is being captured.
    BeingCaptured,
    /// The payment system shows a refund of a payment that is not known to be
    /// paid.
    RefundedBeforePaid,
    /// The circuit breaker is open: the payment system failed many times in a
    /// row and is not called for a while.
    CircuitOpen,
    /// The payment system's rate limit is used up.
    RateLimited {
        calls_max: usize,
        window_seconds: u64,
    },
    /// The payment system is not configured.
    NotConfigured {
        gateway: PartyName,
    },
    /// The payment system's id of the payment is not known.
    NoRemoteId,
    /// It changed while it was being looked up.
    Changed,
}

/// Why a refund that the payment system shows is not possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum UnfitRefund {
    /// No money is known to have been received by the payment.
    NoMoney,
    /// The refund is more than what is left of the payment.
    MoreThanIsLeft { left: Money },
}

/// Why a notification changes nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Recorded {
    /// It is about an operation, which will be looked up.
    Operation { operation: OperationId },
    /// It carries no number of ours and is about this payment, which will be
    /// looked up.
    ByRemoteId { payment: PaymentId },
    /// Its status does not mean that the payment is paid.
    Status { status: String },
    /// The money is being captured: the outcome will be looked up.
    BeingCaptured,
}

impl Refusal {
    /// What the other side replied; empty if it did not reply.
    #[must_use]
    pub fn said(self) -> String {
        match self {
            Refusal::ByPaymentSystem { said } | Refusal::NotExpressible { detail: said } => said,
            Refusal::Cancelled | Refusal::ByOperator => String::new(),
        }
    }
}

impl RetryReason {
    /// What the other side replied; empty if it did not reply.
    #[must_use]
    pub fn said(self) -> String {
        if let RetryReason::CallFailed { said } = self { said } else { String::new() }
    }
}

impl PaymentNote {
    #[must_use]
    pub fn by_operator(
        action: OperatorAction,
        operation: Option<OperationId>,
        operator: &Operator,
    ) -> PaymentNote {
        let Operator { by, reason } = operator.clone();
        PaymentNote::ByOperator { action, operation, by, reason }
    }
}
