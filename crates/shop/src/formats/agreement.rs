//! What the messages about the agreement on an order share.

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Language, Money};

use crate::product_id::ProductId;

/// Who agrees on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Confirmator {
    Store,
    Delivery,
    Payment,
}

impl Confirmator {
    pub const ALL: [Confirmator; 3] =
        [Confirmator::Store, Confirmator::Delivery, Confirmator::Payment];

    /// As the messages name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Confirmator::Store => "STORE",
            Confirmator::Delivery => "DELIVERY",
            Confirmator::Payment => "PAYMENT",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequestType {
    #[default]
    Confirm,
    Reverse,
}

impl RequestType {
    /// As the messages name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RequestType::Confirm => "CONFIRM",
            RequestType::Reverse => "REVERSE",
        }
    }
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Response {
    Success,
    Fail,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// Its number within the order.
    pub id: u64,
    pub product_id: ProductId,
    pub product_name: String,
    pub product_price: Money,
    pub quantity: u64,
    /// Under which name the stock counts it.
    pub article: String,
}

/// A line of which there was too little.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShortItem {
    pub product_id: ProductId,
    pub product_name: String,
    pub wanted: u64,
    pub available: u64,
}

/// Why an order was not agreed on, or a payment was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Goods were sold elsewhere.
    InsufficientStock,
    /// The time of the courier is taken, or has begun.
    SlotFull,
    /// Nothing is held for the order.
    NothingHeld,
    /// There is no payment for it.
    NotPaid,
    /// What was paid is not what the order costs.
    OtherSum,
    /// The account held less.
    NotEnoughMoney,
    /// The payment system has refused it, or the time to pay was over.
    PaymentRefused,
    /// It was reversed before.
    Reversed,
    /// Somebody did not answer in time.
    NoAnswer,
    /// The goods are being picked.
    TooLate,
}

impl Reason {
    pub const ALL: [Reason; 10] = [
        Reason::InsufficientStock,
        Reason::SlotFull,
        Reason::NothingHeld,
        Reason::NotPaid,
        Reason::OtherSum,
        Reason::NotEnoughMoney,
        Reason::PaymentRefused,
        Reason::Reversed,
        Reason::NoAnswer,
        Reason::TooLate,
    ];

    /// As messages and answers name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::InsufficientStock => "insufficient-stock",
            Reason::SlotFull => "slot-full",
            Reason::NothingHeld => "nothing-held",
            Reason::NotPaid => "not-paid",
            Reason::OtherSum => "other-sum",
            Reason::NotEnoughMoney => "not-enough-money",
            Reason::PaymentRefused => "payment-refused",
            Reason::Reversed => "reversed",
            Reason::NoAnswer => "no-answer",
            Reason::TooLate => "too-late",
        }
    }

    /// The reason with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// What the client reads.
    #[must_use]
    pub const fn text(self, language: Language) -> &'static str {
        let (ru, en) = match self {
            Reason::InsufficientStock => {
                ("Товар уже продан в другом месте", "The goods were sold elsewhere meanwhile")
            }
            Reason::SlotFull => {
                ("Это время доставки уже занято", "This time of delivery is taken already")
            }
            Reason::NothingHeld => (
                "Время, на которое товар отложен, вышло",
                "The time for which the goods were held is over",
            ),
            Reason::NotPaid => ("Заказ не оплачен", "The order is not paid"),
            Reason::OtherSum => (
                "Заказ изменился после оплаты, и его сумма другая",
                "The order was changed after it was paid, and costs another sum",
            ),
            Reason::NotEnoughMoney => ("Не хватает денег", "There is not enough money"),
            Reason::PaymentRefused => ("Платёж не прошёл", "The payment was refused"),
            Reason::Reversed => ("Заказ уже отменён", "The order was cancelled before"),
            Reason::NoAnswer => {
                ("Заказ не удалось подтвердить вовремя", "The order could not be confirmed in time")
            }
            Reason::TooLate => ("Заказ уже собирают", "The order is being picked already"),
        };
        match language {
            Language::Ru => ru,
            Language::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_one_name_everywhere() {
        for reason in Reason::ALL {
            let written = serde_json::to_value(reason).expect("JSON");
            assert_eq!(written.as_str(), Some(reason.as_str()));
            assert_eq!(Reason::named(reason.as_str()), Some(reason));
        }
    }
}
