//! What a fiscal receipt says about a payment.

use serde::{Deserialize, Deserializer, Serialize};

/// Who issues a merchant's fiscal receipts, from the payment system's point of
/// view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Receipts {
    /// Nobody that the payment system knows of.
    None,
    /// The merchant's cash register: the payment system passes the receipts on
    /// to it.
    #[default]
    Own,
    /// The payment system itself.
    PaymentSystem,
}

impl Receipts {
    /// Whether receipts are issued through the payment system.
    #[must_use]
    pub const fn are_made(self) -> bool {
        match self {
            Receipts::Own | Receipts::PaymentSystem => true,
            Receipts::None => false,
        }
    }
}

impl Receipts {
    /// Reads a setting: `"own"` or `true`, `"none"` or `false`, or the value of
    /// `by_itself`, which means [`Receipts::PaymentSystem`] for a payment
    /// system that can issue receipts.
    pub fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        by_itself: Option<&str>,
    ) -> Result<Receipts, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Switch(bool),
            Name(String),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Switch(true)) => return Ok(Receipts::Own),
            Ok(Written::Switch(false)) => return Ok(Receipts::None),
            Ok(Written::Name(name)) if name == "own" => return Ok(Receipts::Own),
            Ok(Written::Name(name)) if name == "none" => return Ok(Receipts::None),
            Ok(Written::Name(name)) if Some(name.as_str()) == by_itself => {
                return Ok(Receipts::PaymentSystem);
            }
            Ok(Written::Name(_)) | Err(_) => {}
        }
        let by_itself =
            by_itself.map(|name| format!("{name:?} (it makes them itself), ")).unwrap_or_default();
        Err(serde::de::Error::custom(format!(
            "receipts: use {by_itself}\"own\" (the merchant's cash register), \"none\", \
             true or false"
        )))
    }
}

impl<'de> Deserialize<'de> for Receipts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Receipts, D::Error> {
        Receipts::read(deserializer, None)
    }
}

/// How the receipt classifies the money that the buyer pays for the goods (tag
/// 1214).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMode {
    /// The full price, before the goods are handed over; handing them over has
    /// its own receipt.
    #[default]
    FullPrepayment,
    /// A part of the price, before the goods are handed over.
    Prepayment,
    /// Money for goods that are not known yet.
    Advance,
    /// The full price when the goods are handed over: there is no second
    /// receipt.
    FullPayment,
}

impl PaymentMode {
    pub const ALL: [PaymentMode; 4] = [
        PaymentMode::FullPrepayment,
        PaymentMode::Prepayment,
        PaymentMode::Advance,
        PaymentMode::FullPayment,
    ];

    /// The name, which payment systems share.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            PaymentMode::FullPrepayment => "full_prepayment",
            PaymentMode::Prepayment => "prepayment",
            PaymentMode::Advance => "advance",
            PaymentMode::FullPayment => "full_payment",
        }
    }

    /// Whether handing over the goods has its own receipt.
    #[must_use]
    pub const fn has_second_receipt(self) -> bool {
        match self {
            PaymentMode::FullPrepayment | PaymentMode::Prepayment | PaymentMode::Advance => true,
            PaymentMode::FullPayment => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_payment_system_that_makes_receipts_is_asked_for_them() {
        let read = |text: &str, by_itself| {
            Receipts::read(&mut serde_json::Deserializer::from_str(text), by_itself).ok()
        };
        assert_eq!(read("\"bank\"", Some("bank")), Some(Receipts::PaymentSystem));
        assert_eq!(read("\"another\"", Some("bank")), None);
        assert_eq!(read("\"bank\"", None), None);
        assert_eq!(
            (read("\"own\"", None), read("true", None)),
            (Some(Receipts::Own), Some(Receipts::Own))
        );
        assert_eq!(
            (read("\"none\"", None), read("false", None)),
            (Some(Receipts::None), Some(Receipts::None))
        );
    }
}
