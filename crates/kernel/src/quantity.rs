//! Quantities of goods: pieces, or kilograms with a precision of one gram.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::decimal::{self, DecimalError};

/// A quantity in the goods' own unit, stored in thousandths: 2 pieces, or 0.350
/// of a kilogram.
///
/// Parsed from and formatted as a decimal string without trailing zeros: `"2"`,
/// `"0.35"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(i64);

const QUANTITY_DIGITS: u32 = 3;

impl Quantity {
    pub const ZERO: Quantity = Quantity(0);

    /// Creates a quantity from thousandths of the unit.
    #[must_use]
    pub const fn from_thousandths(thousandths: i64) -> Quantity {
        Quantity(thousandths)
    }

    /// Parses a quantity as another program writes it: see
    /// [`decimal::parse_lenient`]. Our own API is strict: see `FromStr`.
    pub fn from_peer(text: &str) -> Result<Quantity, DecimalError> {
        decimal::parse_lenient(text, QUANTITY_DIGITS).map(Quantity)
    }

    /// The quantity in thousandths of the unit.
    #[must_use]
    pub const fn thousandths(self) -> i64 {
        self.0
    }
}

// Saturating, because sums of quantities are shown and compared. A sender who
// claims quintillions of bottles must not be able to prevent the order from
// being stored.
impl Add for Quantity {
    type Output = Quantity;
    fn add(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_add(other.0))
    }
}

impl Sub for Quantity {
    type Output = Quantity;
    fn sub(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_sub(other.0))
    }
}

impl Neg for Quantity {
    type Output = Quantity;
    fn neg(self) -> Quantity {
        Quantity(self.0.saturating_neg())
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Quantity>>(items: I) -> Quantity {
        items.fold(Quantity::ZERO, Add::add)
    }
}

impl FromStr for Quantity {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Quantity, DecimalError> {
        decimal::parse(text, QUANTITY_DIGITS).map(Quantity)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_i64.pow(QUANTITY_DIGITS);
        if self.0 % one == 0 {
            decimal::write(f, self.0 / one, 0)
        } else if self.0 % 100 == 0 {
            decimal::write(f, self.0 / 100, 1)
        } else if self.0 % 10 == 0 {
            decimal::write(f, self.0 / 10, 2)
        } else {
            decimal::write(f, self.0, QUANTITY_DIGITS)
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::short_text::serialize_text(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|why| serde::de::Error::custom(format_args!("{text:?} {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quantity_to_the_gram_survives_printing_and_reading() {
        for thousandths in -100_000..100_000 {
            let quantity = Quantity::from_thousandths(thousandths);
            let text = quantity.to_string();
            assert_eq!(text.parse(), Ok(quantity), "{text}");
            assert!(!text.contains('.') || !text.ends_with('0'), "trailing zero in {text}");
        }
    }

    #[test]
    fn a_sum_that_overflows_saturates() {
        let most = Quantity::from_thousandths(i64::MAX);
        assert_eq!(most + most, most);
        assert_eq!(-most - most, Quantity::from_thousandths(i64::MIN));
    }
}
