//! JSON views: an order with its payments, as the operator and as its merchant
//! see it, and the callbacks to merchants' sites. They are made from what is
//! stored and never read back.

mod amount;
pub mod callback;
mod merchant_order;
mod next_step;
mod operation;
mod order;
mod payment;
mod payment_money;
pub mod schema;

pub use amount::Amount;
pub use merchant_order::{MerchantOrder, merchant_order, tag};
pub use operation::{OperationDocument, OperationPhase};
pub use order::{OrderDocument, order_document};
pub use payment::{PaymentDocument, buyers_address, payment_document};
pub use payment_money::{PaymentMoney, payment_money};

use utoipa::ToSchema;

use crate::kernel::Timestamp;
use crate::texts::Language;

/// A reason: its kind for programs, with parameters as further fields next to
/// it, and a text for people.
#[derive(Debug, ToSchema)]
#[schema(as = Reason)]
pub struct ReasonShape {
    /// The kind of the reason, for programs. It does not depend on the
    /// language.
    pub kind: String,
    /// The same reason as a text for people. The wording may change.
    pub text: String,
}

/// What a view depends on in addition to the data that it shows.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The public address of tillgate, as browsers reach it.
    pub public_url: &'a str,
    /// The current time.
    pub now: Timestamp,
    /// The language of the texts.
    pub language: Language,
}
