//! The number of an order at tillgate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::kernel::{ExternalId, Partition, PartyName, Subject};

/// The number of an order at tillgate: twelve decimal digits, the first never
/// zero.
///
/// It is derived from the source and the sender's number. So any receiver, even
/// after a loss of data, answers an order that is sent again with the same
/// number, without asking another receiver, and no counter is shared. If two
/// orders derive the same digits, the later one takes the number of the next
/// `slot`.
/// (docs/adr/0006-order-numbers-are-derived.md)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(u64);

/// The subject of orders' partitions. It is zero, so that a partition's text is
/// the order's number.
const ORDERS: Subject = Subject::new(0);

const NUMBER_MIN: u64 = 100_000_000_000;
const NUMBER_MAX: u64 = 999_999_999_999;

impl Number {
    /// How many numbers an order may try that anybody can compute. With a
    /// hundred million orders stored, the chance that eight in a row are taken
    /// is one in 10^31, unless somebody has taken them on purpose.
    pub const DERIVED_SLOTS: u8 = 8;

    /// How many numbers an order may try before it gives up. Those after the
    /// first [`Number::DERIVED_SLOTS`] are derived with the secret key, so
    /// nobody can take them beforehand.
    pub const SLOTS_MAX: u8 = 16;

    /// The number of an order if `slot` other orders have its earlier choices.
    #[must_use]
    pub fn derive(source: &PartyName, external_id: &ExternalId, slot: u8) -> Number {
        let mut hash = Sha256::new();
        hash.update(b"tillgate order number 1\0");
        hash.update([slot]);
        hash.update(source.as_str());
        // Neither name can contain the NUL byte, so different pairs of names
        // never give the same input.
        hash.update(b"\0");
        hash.update(external_id.as_str());
        let digest = hash.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Number::drawn(u64::from_be_bytes(first))
    }

    /// The number for 64 random bits.
    pub(super) const fn drawn(bits: u64) -> Number {
        Number(NUMBER_MIN + bits % (NUMBER_MAX - NUMBER_MIN + 1))
    }

    /// The smallest number, for the start of ranges.
    #[must_use]
    pub const fn smallest() -> Number {
        Number(NUMBER_MIN)
    }

    /// The largest number, for the end of ranges.
    #[must_use]
    pub const fn largest() -> Number {
        Number(NUMBER_MAX)
    }

    /// The number as an integer.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The partition of everything about the order.
    #[must_use]
    pub const fn partition(self) -> Partition {
        Partition::of(ORDERS, self.0)
    }

    /// The number of the order that a partition is about, if it is about one.
    #[must_use]
    pub fn of(partition: Partition) -> Option<Number> {
        partition.number_of(ORDERS).and_then(Number::from_u64)
    }

    /// The number for an integer that [`Number::get`] returned; `None` if it is
    /// out of range.
    #[must_use]
    pub fn from_u64(number: u64) -> Option<Number> {
        (NUMBER_MIN..=NUMBER_MAX).contains(&number).then_some(Number(number))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Number, NotANumber> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|_| is_plain).and_then(Number::from_u64).ok_or(NotANumber)
    }
}

/// Whether the text is a number in another spelling than the canonical one:
/// `+482993011752`, `000482993011752`.
#[must_use]
pub fn is_number_otherwise(text: &str) -> bool {
    let bare = text.trim_start_matches(['+', '0']);
    bare != text && bare.parse::<Number>().is_ok()
}

/// The text is not an order's number: twelve digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order's number is twelve digits, such as 482993011752")]
pub struct NotANumber;

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::kernel::short_text::serialize_text(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(source: &str, external_id: &str, slot: u8) -> Number {
        Number::derive(
            &PartyName::new(source),
            &ExternalId::parse(external_id).expect("usable"),
            slot,
        )
    }

    #[test]
    fn an_orders_number_is_a_promise_that_no_release_may_change() {
        assert_eq!(number("sm", "H1234567890", 0).to_string(), "395081831503");
        assert_eq!(number("sm", "H1234567890", 1).to_string(), "788007671454");
    }

    #[test]
    fn numbers_differ_by_source_order_and_slot_and_have_twelve_digits() {
        let mut seen = std::collections::HashSet::new();
        for source in ["sm", "s", "kuper"] {
            for order in 0..1000 {
                for slot in 0..2 {
                    let number = number(source, &format!("H{order}"), slot);
                    assert_eq!(number.to_string().len(), 12);
                    assert!(seen.insert(number));
                }
            }
        }
    }

    #[test]
    fn a_number_has_one_spelling() {
        assert!("482993011752".parse::<Number>().is_ok() && !is_number_otherwise("482993011752"));
        for text in ["+482993011752", "000482993011752", "+0482993011752"] {
            assert!(text.parse::<Number>().is_err() && is_number_otherwise(text), "{text}");
        }
        for text in [
            "",
            "48299301175",
            "4829930117520",
            " 482993011752",
            "-482993011752",
            "+",
            "000",
            "abc",
        ] {
            assert!(text.parse::<Number>().is_err() && !is_number_otherwise(text), "{text}");
        }
    }

    #[test]
    fn an_unusable_order_number_is_refused() {
        for text in ["", "   ", "H1\u{0}", "H1\nH2", &"H".repeat(256)] {
            assert_eq!(ExternalId::parse(text), None, "{text:?}");
        }
        assert_eq!(ExternalId::parse(" H1 ").expect("usable").as_str(), "H1");
        assert!(ExternalId::parse("Заказ-7").is_some());
    }
}
