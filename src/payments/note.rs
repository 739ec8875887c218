//! What has become of an order's payments, as it is stored: kinds with their parameters. What people read is made of them
//! when they are shown.

use serde::{Deserialize, Serialize};

use super::operation_id::{OperationId, OperationKind};
use super::payment_id::PaymentId;
use crate::kernel::{Currency, Money, PartyName, Timestamp};

/// An entry of a checkout's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What it is about, if it is about one payment.
    pub payment: Option<PaymentId>,
    /// What.
    #[serde(flatten)]
    pub note: PaymentNote,
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// Since when.
    pub at: Timestamp,
    /// What it is about, if it is about one payment.
    pub payment: Option<PaymentId>,
    /// What.
    #[serde(flatten)]
    pub note: PaymentNote,
}

/// Something that has happened to an order's payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PaymentNote {
    /// A payment was planned.
    PaymentPlanned { amount: Money, revision: u32 },
    /// It was given up before anything was sent.
    PaymentDropped { reason: Superseded },
    /// It is to be cancelled at the payment system.
    CancelRequested { reason: Superseded },
    /// Whether the payment system has it is not known.
    PaymentUnknown { reason: Option<RetryReason> },
    /// It was looked for and not found.
    PaymentNotFound { looks: u32 },
    /// It can be paid.
    PaymentLinked { remote_id: Option<String> },
    /// Its money is held.
    PaymentHeld { remote_id: Option<String> },
    /// The payment system was asked, and it is paid.
    PaymentFoundPaid { remote_id: Option<String> },
    /// Its money has come.
    PaymentPaid { amount: Money, remote_id: Option<String> },
    /// The payment system refuses it.
    PaymentRefused { reason: Refusal },
    /// The payment system has something else than was sent.
    PaymentFrozen { mismatch: Mismatch },
    /// It can be paid no more.
    PaymentCancelled,
    /// Its time has run out.
    PaymentExpired,
    /// It could not be settled for so long that nobody tries any more.
    PaymentGivenUp { reason: RetryReason },
    /// Nobody asked to pay until the time for it was over.
    EndedUnasked,
    /// The order has had as many payments as it may have.
    TooManyPayments { payments_max: usize },
    /// A person has accepted its money for the order as it stands.
    AcceptedByOperator,
    /// A person has it asked for again.
    RepeatedByOperator,
    /// A person has seen what they were to look at.
    Seen { note: Box<PaymentNote> },
    /// Its money came though it should not have taken any.
    UnwantedMoney { reason: Superseded },
    /// The order is paid, and money came by another payment or under another id.
    PaidTwice { paid: PaymentId, number: String, remote_id: String },
    /// A notification says something else than we know.
    NoticeMismatch { number: String, mismatch: Mismatch },
    /// Money is there, and the order was cancelled.
    PaidButCancelled { amount: Money },
    /// Money is there, and the order comes to another sum now.
    PaidOtherTotal { paid: Money, total: Money },
    /// Money is being taken, and the order comes to another sum now.
    CapturedOtherTotal { capture: OperationId, amount: Money },
    /// More is held than the order comes to now.
    CaptureLess { held: Money, amount: Money },
    /// Another description, payer or time is to be told to the payment system.
    AlterationPlanned,
    /// The payment system was told.
    Altered,
    /// This payment system cannot be told; the next payment will say it.
    NotAlterable,
    /// The payment system would not take it over.
    AlterationRefused { reason: RetryReason },
    /// The buyer paid before the payment system was told.
    AlteredTooLate,
    /// A refund, a capture or a shipment was planned.
    OperationPlanned { operation: OperationId, operation_kind: OperationKind, amount: Money },
    /// Whether the payment system has it is not known.
    OperationUnknown { operation: OperationId, operation_kind: OperationKind, reason: Option<RetryReason> },
    /// It was looked for and not found.
    OperationNotFound { operation: OperationId, operation_kind: OperationKind, looks: u32 },
    /// The payment system has taken it in.
    OperationAccepted { operation: OperationId, operation_kind: OperationKind },
    /// It is done.
    OperationDone { operation: OperationId, operation_kind: OperationKind, amount: Money },
    /// A person has made sure that it will not be done.
    OperationDropped { operation: OperationId, operation_kind: OperationKind, amount: Money },
    /// The payment system refuses it.
    OperationRefused { operation: OperationId, operation_kind: OperationKind, amount: Money, reason: Refusal },
    /// The payment system has something else than was sent.
    OperationFrozen { operation: OperationId, operation_kind: OperationKind, mismatch: Mismatch },
    /// It could not be settled for so long that nobody tries any more.
    OperationGivenUp { operation: OperationId, operation_kind: OperationKind, reason: RetryReason },
    /// A person has it asked for again.
    OperationRepeated { operation: OperationId },
    /// Money was paid back at the payment system itself.
    RefundedOutside { amount: Money, remote_id: String },
    /// The payment system shows a refund that cannot be.
    OutsideRefundMismatch { amount: Money, remote_id: String, reason: UnfitRefund },
    /// Goods were handed over after some of their money had been paid back.
    ShippedAfterRefund { amount: Money },
}

/// Why a payment should take no money any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Superseded {
    /// The order has changed.
    OrderChanged,
    /// The order is not to be paid any more.
    NotPayable,
    /// Money came by another payment.
    PaidByAnother,
    /// It had ended at the payment system.
    Ended,
}

/// Why something will not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Refusal {
    /// The payment system said so.
    ByPaymentSystem {
        /// In its own words.
        said: String,
    },
    /// It cannot be asked for there.
    NotExpressible {
        /// What cannot.
        detail: String,
    },
    /// The payment system has cancelled it.
    Cancelled,
    /// A person has made sure that it was not done, and will not be.
    ByOperator,
}

/// What the payment system has that differs from what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Mismatch {
    /// More than one under a number.
    Several,
    /// Another number.
    Number { found: String },
    /// Another account.
    Account { found: String, expected: String },
    /// Another sum or currency.
    Amount { found: Money, found_currency: String, expected: Money },
    /// A sum that nobody asked for.
    NoticeAmount { found: Money, expected: Money },
    /// A currency that nobody asked for.
    NoticeCurrency { found: String, expected: Currency },
    /// Another id.
    RemoteId { found: String, expected: String },
    /// Another number or sum of a refund, a capture or a shipment.
    Operation { found: String, found_amount: Money, expected: OperationId, expected_amount: Money },
}

/// Why something is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RetryReason {
    /// It is as it should be and waits: a payment for its buyer, a refund for the bank.
    Waits,
    /// A call failed.
    CallFailed {
        /// What the payment system or the connection said.
        said: String,
    },
    /// Whoever was calling is gone, and what came of the call is not known.
    Interrupted,
    /// Its number has been used: an earlier call was carried out after all.
    NumberUsed,
    /// It was looked for and not found.
    NotFound { looks: u32 },
    /// It was there, and the payment system does not show it any more.
    NotShown,
    /// It is to be cancelled.
    ToBeCancelled,
    /// The payment system gave no address that a buyer may be sent to.
    NoPaymentUrl,
    /// It shows another time to pay than it was told.
    OtherExpiry,
    /// It has a status over there that says neither that it waits nor that it is over.
    Status { status: String },
    /// Its money is being taken.
    BeingCaptured,
    /// A refund is shown of a payment that is not known to be paid.
    RefundedBeforePaid,
    /// The payment system fails again and again and is left alone.
    CircuitOpen,
    /// The payment system's limit of calls is used up.
    RateLimited { calls_max: usize, window_seconds: u64 },
    /// The payment system is not configured.
    NotConfigured { gateway: PartyName },
    /// Under which id the payment system has it is not known.
    NoRemoteId,
    /// It changed while it was looked at.
    Changed,
}

/// Why a refund that the payment system shows cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum UnfitRefund {
    /// No money is known to have come by the payment.
    NoMoney,
    /// Less than that is left of it.
    MoreThanIsLeft { left: Money },
}

/// Why a notification changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Recorded {
    /// It is about an operation, which is looked up.
    Operation { operation: OperationId },
    /// It bears no number of ours and is about this payment, which is looked up.
    ByRemoteId { payment: PaymentId },
    /// Its status does not say that it is paid.
    Status { status: String },
    /// The money is being taken: what came of that is looked up.
    BeingCaptured,
}

impl Refusal {
    /// What the other side said; empty where it said nothing.
    #[must_use]
    pub fn said(self) -> String {
        match self {
            Refusal::ByPaymentSystem { said } | Refusal::NotExpressible { detail: said } => said,
            Refusal::Cancelled | Refusal::ByOperator => String::new(),
        }
    }
}

impl RetryReason {
    /// What the other side said; empty where it said nothing.
    #[must_use]
    pub fn said(self) -> String {
        if let RetryReason::CallFailed { said } = self { said } else { String::new() }
    }
}
