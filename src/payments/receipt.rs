//! What a fiscal receipt says of a payment.

use serde::Deserialize;

/// What the money is, when it comes, for the goods on its receipt (tag 1214).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMode {
    /// All of the price, before the goods are handed over; that has a receipt of its own.
    #[default]
    FullPrepayment,
    /// A part of the price, before the goods are handed over.
    Prepayment,
    /// Money for goods that are not known yet.
    Advance,
    /// All of the price as the goods change hands: there is no other receipt.
    FullPayment,
}

impl PaymentMode {
    /// Its name, which payment systems share.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            PaymentMode::FullPrepayment => "full_prepayment",
            PaymentMode::Prepayment => "prepayment",
            PaymentMode::Advance => "advance",
            PaymentMode::FullPayment => "full_payment",
        }
    }

    /// Whether the handing over of the goods has a receipt of its own.
    #[must_use]
    pub const fn has_second_receipt(self) -> bool {
        match self {
            PaymentMode::FullPrepayment | PaymentMode::Prepayment | PaymentMode::Advance => true,
            PaymentMode::FullPayment => false,
        }
    }
}
