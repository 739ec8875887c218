//! Being paid: what is owed, by which payment, and what the payment system says about it.
//!
//! ```text
//!            intention      call          answer or look-up            notification
//!   bill ──▶ planned ──▶ sending ──▶ linked ─────────────────────────▶ paid
//!                           │  ▲        └── superseded ──▶ cancelled
//!                           ▼  │ same number, same bytes
//!                        unknown ──▶ refused, frozen
//! ```
//! A [`Checkout`] holds all payments of one order, at most one of which can take money at any moment. A payment
//! is bound to a revision of its order and to the exact [`Bill`] of that revision. What a call to the payment
//! system came to is either certain or it is not: `unknown` leads to a look-up under the number that was sent,
//! and never to another number. Money that does not fit what we stored is written down and put before a
//! person. Nothing here does I/O or knows the time.

mod alias;
mod asking;
mod attempt;
mod bill;
mod budget;
mod checkout;
mod fact;
mod money_left;
mod note;
mod notice;
mod operation;
mod operation_id;
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

use crate::outbox::Lane;
use crate::outbox::Ordering;

/// Payments, refunds and captures that must be looked after.
pub const LANE: Lane = Lane::new(2, Ordering::Strict, "payment");

/// Links that are looked at now and then while their buyers have not paid. A look means what it means whenever it is; one that
/// is due in hours must not hold up one due in minutes.
pub const WATCH_LANE: Lane = Lane::new(4, Ordering::None, "watch");

pub use alias::Alias;
pub use attempt::{Attempt, CallOutcome, LOOKS_MIN, NextCall, Progress, QUIET_SECONDS_MIN, RetryLater};
pub use bill::{
    AMOUNT_KOPECKS_MAX, BadBill, Bill, Customer, CustomerKind, DESCRIPTION_CHARS_MAX, GoodsKind, LINES_MAX,
    Line, NAME_CHARS_MAX, SKU_CHARS_MAX, multiply,
};
pub use budget::{Allowance, Budget, Purpose};
pub use checkout::{Checkout, Ways};
pub use fact::PaymentFact;
pub use note::{
    Attention, Entry, Mismatch, PaymentNote, Recorded, Refusal, RetryReason, Superseded, UnfitRefund,
};
pub use notice::{Judgement, Notice, NoticeStatus};
pub use operation::{
    Handover, Operation, OperationState, OperationStep, RemoteOperation, RemoteOperationStatus,
};
pub use operation_id::{NotAnOperationId, OperationId, OperationKind};
pub use outside_refund::OutsideRefund;
pub use past_bill::PastBill;
pub use payment::{Alteration, Payment, PaymentState, Remote, RemoteStatus, Step};
pub use payment_calls::PaymentOutcome;
pub use payment_id::{NotAPaymentId, PaymentId};
pub use phase::{PaymentPhase, PaymentProblem};
pub use plan::{LineRef, NotPlanned, Part};
pub use receipt::{PaymentMode, Receipts};
pub use spread::spread;
pub use terms::{ContactNeed, NotAdmitted, Terms};
pub use vat::VatCode;
