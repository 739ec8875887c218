//! What is shown: an order with its payments, as the operator sees it and as its merchant does, and what a merchant is told.
//! Shapes of JSON, made from what is stored and never read back.

mod amount;
pub mod callback;
mod merchant_order;
mod operation;
mod order;
mod payment;
pub mod schema;

pub use amount::Amount;
pub use merchant_order::{MerchantOrder, merchant_order, tag};
pub use operation::{OperationDocument, OperationPhase};
pub use order::{OrderDocument, order_document};
pub use payment::{PaymentDocument, buyers_address, payment_document};

use utoipa::ToSchema;

use crate::kernel::Timestamp;
use crate::texts::Language;

/// A kind with its parameters, which stand beside it, and the same in words for people.
#[derive(Debug, ToSchema)]
#[schema(as = Reason)]
pub struct ReasonShape {
    /// For programs: what it is.
    pub kind: String,
    /// The same in words, for people: the wording may change.
    pub text: String,
}

/// What a view depends on beside what is shown.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// How browsers reach us.
    pub public_url: &'a str,
    /// What time it is.
    pub now: Timestamp,
    /// In which language it is read.
    pub language: Language,
}
