//! What a merchant wants of a payment, beyond its sum.

use serde::{Deserialize, Serialize};

use super::receipt::PaymentMode;

/// What the payer pays with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    BankCard,
    /// The faster payments system.
    Sbp,
}

impl PaymentMethod {
    pub const ALL: [PaymentMethod; 2] = [PaymentMethod::BankCard, PaymentMethod::Sbp];

    /// The name, which payment systems share.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            PaymentMethod::BankCard => "bank_card",
            PaymentMethod::Sbp => "sbp",
        }
    }
}

/// What a merchant wants of a payment, beyond its sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentWishes {
    /// What the payer pays with; the payer chooses without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<PaymentMethod>,
    /// The payment mode on the receipts; the gateway's without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PaymentMode>,
}

impl PaymentWishes {
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == PaymentWishes::default()
    }
}
