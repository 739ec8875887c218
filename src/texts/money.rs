//! Amounts of money as people write them.

use super::Language;
use crate::kernel::Money;

/// An amount as people write it: `1 558,80 ₽` or `₽1,558.80`.
#[must_use]
pub fn money(language: Language, money: Money) -> String {
    let plain = money.to_string();
    let (sign, plain) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
    let (roubles, kopecks) = plain.split_once('.').unwrap_or((plain, "00"));
    let mut grouped = String::new();
    for (place, digit) in roubles.chars().enumerate() {
        if place > 0 && (roubles.len() - place) % 3 == 0 {
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
