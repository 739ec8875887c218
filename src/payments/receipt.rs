//! What a fiscal receipt says of a payment.

use serde::{Deserialize, Deserializer};

/// Who makes a shop's fiscal receipts, as far as its payment system is concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Receipts {
    /// Nobody that the payment system knows of.
    None,
    /// A cash register that the payment system passes them on to.
    #[default]
    Own,
    /// The payment system by itself.
    PaymentSystem,
}

impl Receipts {
    /// Whether the payment system sees to them.
    #[must_use]
    pub const fn are_made(self) -> bool {
        match self {
            Receipts::Own | Receipts::PaymentSystem => true,
            Receipts::None => false,
        }
    }
}

impl Receipts {
    /// Reads a setting: `"own"` or `true`, `"none"` or `false`, or `by_itself`, which is the name that means
    /// [`Receipts::PaymentSystem`] where the payment system can make them.
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
            "receipts: use {by_itself}\"own\" (a cash register of the shop's), \"none\", true or false"
        )))
    }
}

impl<'de> Deserialize<'de> for Receipts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Receipts, D::Error> {
        Receipts::read(deserializer, None)
    }
}

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
        assert_eq!((read("\"own\"", None), read("true", None)), (Some(Receipts::Own), Some(Receipts::Own)));
        assert_eq!(
            (read("\"none\"", None), read("false", None)),
            (Some(Receipts::None), Some(Receipts::None))
        );
    }
}
