//! Payments: what is owed, which payment asks for it, and what the payment
//! system reports about it.
//!
//! ```text
//!            intention      call          answer or look-up       notification
//!   bill ──▶ planned ──▶ sending ──▶ linked ───────────────────▶ paid
//!                           │  ▲        └── superseded ──▶ cancelled
//!                           ▼  │ same number, same bytes
//!                        unknown ──▶ refused, needs review
//! ```
//!
//! A [`Checkout`] holds all payments of one order. At most one of them can take
//! money at any moment. A payment is bound to a revision of its order and to
//! the exact [`Bill`] of that revision. The outcome of a call to the payment
//! system is either certain or unknown. After an unknown outcome the payment is
//! looked up under the number that was sent; it is never sent under another
//! number. Money that does not match what is stored is recorded and put before
//! a person. Nothing in this module does I/O or reads the clock.

mod alias;
mod attempt;
mod balance;
mod bill;
mod billing;
mod budget;
mod by_hand;
mod checkout;
mod fact;
mod money_left;
mod note;
mod notification;
mod operation;
mod operation_id;
mod operator;
mod outside_refund;
mod parts;
mod past_bill;
mod payment;
mod payment_calls;
mod payment_id;
mod phase;
mod plan;
mod receipt;
mod spread;
mod terms;
mod vat;
mod wishes;

use crate::outbox::Lane;
use crate::outbox::Ordering;

/// Payments, refunds and captures that have work left to do.
pub const LANE: Lane = Lane::new(2, Ordering::Strict, "payment");

/// Periodic checks of links that buyers have not paid yet. A check does not
/// depend on the checks before it, so this lane has no order: a check due in
/// hours must not delay one due in minutes.
pub const WATCH_LANE: Lane = Lane::new(4, Ordering::None, "watch");

pub use alias::Alias;
pub use attempt::{
    Attempt, CallOutcome, LOOKS_MIN, NextCall, Progress, QUIET_SECONDS_MIN, RetryLater,
};
pub use balance::Balance;
pub use bill::{
    AMOUNT_KOPECKS_MAX, BadBill, Bill, Customer, CustomerKind, DESCRIPTION_CHARS_MAX, GoodsKind,
    LINES_MAX, Line, NAME_CHARS_MAX, SKU_CHARS_MAX, multiply,
};
pub use budget::{Allowance, Budget, CallsFor, Purpose};
pub use checkout::{Checkout, SiteUrls};
pub use fact::PaymentFact;
pub use note::{
    Attention, Entry, Mismatch, PaymentNote, Recorded, Refusal, RetryReason, Superseded,
    UnfitRefund,
};
pub use notification::{Notification, NotificationStatus, NotificationVerdict};
pub use operation::{
    Operation, OperationState, OperationStep, RemoteOperation, RemoteOperationStatus,
    ShipmentReport,
};
pub use operation_id::{NotAnOperationId, OperationId, OperationKind};
pub use operator::{Operator, OperatorAction};
pub use outside_refund::OutsideRefund;
pub use past_bill::PastBill;
pub use payment::{Payment, PaymentState, PendingUpdate, RemotePayment, RemotePaymentStatus, Step};
pub use payment_calls::PaymentOutcome;
pub use payment_id::{NotAPaymentId, PaymentId};
pub use phase::{PaymentPhase, PaymentProblem};
pub use plan::{LineRef, NotPlanned, Part};
pub use receipt::{PaymentMode, Receipts};
pub use spread::spread;
pub use terms::{ContactNeed, NotAdmitted, Terms};
pub use vat::VatCode;
pub use wishes::{PaymentMethod, PaymentWishes};
