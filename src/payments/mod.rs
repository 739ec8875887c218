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
mod bill;
mod budget;
mod checkout;
mod notice;
mod operation;
mod past_bill;
mod payment;
mod plan;
mod receipt;
mod spread;
mod terms;
mod vat;

pub use alias::Alias;
pub use bill::{
    AMOUNT_KOPECKS_MAX, BadBill, Bill, Customer, CustomerKind, DESCRIPTION_CHARS_MAX, GoodsKind, LINES_MAX,
    Line, NAME_CHARS_MAX, SKU_CHARS_MAX, multiply,
};
pub use budget::{Allowance, Budget, Purpose};
pub use checkout::{Checkout, Entry, Ways};
pub use notice::{Judgement, Notice, NoticeStatus};
pub use operation::{
    Handover, NotAnOperationId, Operation, OperationId, OperationKind, OperationState, OperationStep,
    RemoteOperation, RemoteOperationStatus,
};
pub use past_bill::PastBill;
pub use payment::{
    Again, Alteration, Answered, LOOKS_MIN, NotAPaymentId, Payment, PaymentId, PaymentState,
    QUIET_SECONDS_MIN, Remote, RemoteStatus, Step,
};
pub use plan::{LineRef, NotPlanned, OutsideRefund, Part};
pub use receipt::{PaymentMode, Receipts};
pub use spread::spread;
pub use terms::{ContactNeed, Terms};
pub use vat::VatCode;
