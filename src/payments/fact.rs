//! What a hook, a request or a notification caused for an order's payments. It
//! is written to the journal.

use serde::{Deserialize, Serialize};

use super::note::Attention;
use super::payment_id::PaymentId;
use crate::kernel::Money;

/// One effect on an order's payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum PaymentFact {
    /// The buyer will be asked for money.
    PaymentPlanned { payment: PaymentId, amount: Money },
    /// Money came.
    MoneyCame { payment: PaymentId, amount: Money },
    /// A person should look at something.
    PaymentAttention { attention: Attention },
}
