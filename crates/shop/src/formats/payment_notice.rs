//! Format 3: a client has paid, or could not, or gets money back. From
//! `payment` to `notification`.

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Money, Timestamp};

use super::agreement::{Reason, Response};
use crate::bus::Format;
use crate::order_id::OrderId;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Done {
    Charge,
    Reverse,
}

/// A means of payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TokenType {
    BankCard,
    QrPay,
    GiftCard,
    Wallet,
}

impl TokenType {
    /// As the contracts name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            TokenType::BankCard => "BANK_CARD",
            TokenType::QrPay => "QR_PAY",
            TokenType::GiftCard => "GIFT_CARD",
            TokenType::Wallet => "WALLET",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentNotice {
    pub order_id: OrderId,
    pub username: String,
    pub payment_id: String,
    pub request_type: Done,
    pub token_type: TokenType,
    /// Empty if the means has no number.
    pub masked_token_id: String,
    pub response: Response,
    #[serde(default, rename = "errorMsg")]
    pub reason: Option<Reason>,
    pub amount: Money,
    pub timestamp: Timestamp,
}

impl Format for PaymentNotice {
    const NUMBER: u16 = 3;
}
