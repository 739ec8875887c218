//! Money, as whole minor units of a currency.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::currency::Currency;
use super::decimal::{self, DecimalError};
use super::language::Language;

/// An amount in a currency, stored as whole minor units in an `i64` (up to 92
/// quadrillion roubles).
///
/// It is parsed from and formatted as a decimal string (`"1558.80"`), in the
/// API and in the store, because most readers turn a JSON number into a binary
/// float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    pub const ZERO: Money = Money::from_kopecks(0);

    /// Creates an amount from whole kopecks.
    #[must_use]
    pub const fn from_kopecks(kopecks: i64) -> Money {
        Money { minor: kopecks, currency: Currency::Rub }
    }

    /// Parses an amount as another program writes it: see
    /// [`decimal::parse_lenient`]. Our own API is strict: see `FromStr`.
    pub fn from_peer(text: &str) -> Result<Money, DecimalError> {
        decimal::parse_lenient(text, Currency::Rub.minor_digits()).map(Money::from_kopecks)
    }

    /// The amount in whole kopecks.
    #[must_use]
    pub const fn kopecks(self) -> i64 {
        self.minor
    }

    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The amount as people write it: `1 558,80 ₽` or `₽1,558.80`.
    #[must_use]
    pub fn shown(self, language: Language) -> String {
        let plain = self.to_string();
        let (sign, plain) =
            plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
        let (roubles, kopecks) = plain.split_once('.').unwrap_or((plain, "00"));
        let mut grouped = String::new();
        for (place, digit) in roubles.chars().enumerate() {
            if place > 0 && (roubles.len() - place).is_multiple_of(3) {
                grouped.push(match language {
                    Language::Ru => '\u{a0}',
                    Language::En => ',',
                });
            }
            grouped.push(digit);
        }
        match language {
            Language::Ru => format!("{sign}{grouped},{kopecks}\u{a0}₽"),
            Language::En => format!("{sign}₽{grouped}.{kopecks}"),
        }
    }
}

/// Parses an amount in JSON of another program, as a number or as a string: see
/// [`decimal::parse_lenient`].
#[must_use]
pub fn from_json(raw: &serde_json::value::RawValue) -> Option<Money> {
    let text = raw.get();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    Money::from_peer(text.trim()).ok()
}

impl FromStr for Money {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Money, DecimalError> {
        decimal::parse(text, Currency::Rub.minor_digits()).map(Money::from_kopecks)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.minor, self.currency.minor_digits())
    }
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::short_text::serialize_text(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|why| serde::de::Error::custom(format_args!("{text:?} {why}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes kopecks in the simplest way, as the oracle for [`Money`]'s own
    /// formatting.
    fn by_hand(kopecks: u32, into: &mut String) {
        use std::fmt::Write;
        into.clear();
        write!(into, "{}.{}{}", kopecks / 100, kopecks / 10 % 10, kopecks % 10)
            .expect("writing to a string");
    }

    #[test]
    fn every_amount_up_to_twenty_thousand_roubles_survives_reading_and_printing() {
        let mut text = String::new();
        for kopecks in 0..2_000_000 {
            by_hand(kopecks, &mut text);
            let money: Money = text.parse().expect("a decimal");
            assert_eq!(money.kopecks(), i64::from(kopecks));
            assert_eq!(money.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn any_amount_survives_reading_and_printing(kopecks: i64) {
            let money = Money::from_kopecks(kopecks);
            prop_assert_eq!(money.to_string().parse::<Money>(), Ok(money));
            let json = serde_json::to_string(&money).expect("json");
            prop_assert_eq!(serde_json::from_str::<Money>(&json).expect("money"), money);
        }

        #[test]
        fn a_whole_number_or_one_decimal_means_the_same_amount(
            roubles in 0i64..1_000_000_000,
            tenth in 0i64..10,
        ) {
            prop_assert_eq!(format!("{roubles}").parse(), Ok(Money::from_kopecks(roubles * 100)));
            prop_assert_eq!(
                format!("{roubles}.{tenth}").parse(),
                Ok(Money::from_kopecks(roubles * 100 + tenth * 10))
            );
            prop_assert_eq!(
                format!("{roubles}.{tenth}000").parse(),
                Ok(Money::from_kopecks(roubles * 100 + tenth * 10))
            );
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,50}") {
            let _ = text.parse::<Money>();
        }
    }

    #[test]
    fn people_read_groups_of_three_digits() {
        let shown = |kopecks, language| Money::from_kopecks(kopecks).shown(language);
        assert_eq!(shown(0, Language::Ru), "0,00\u{a0}₽");
        assert_eq!(shown(155_880, Language::Ru), "1\u{a0}558,80\u{a0}₽");
        assert_eq!(shown(-12_345_678_901, Language::Ru), "-123\u{a0}456\u{a0}789,01\u{a0}₽");
        assert_eq!(shown(100_000, Language::En), "₽1,000.00");
        assert_eq!(shown(99_999, Language::En), "₽999.99");
    }

    #[test]
    fn a_json_number_is_not_money() {
        assert!(serde_json::from_str::<Money>("1.5").is_err());
    }
}
