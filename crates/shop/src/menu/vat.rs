//! Rates of value added tax.

use serde::{Deserialize, Serialize};

/// A rate, as feeds name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vat {
    None,
    Percent0,
    Percent5,
    Percent7,
    Percent10,
    Percent20,
    Percent22,
}

impl Vat {
    /// The rate that a feed names by a word or by its number in YML's list.
    #[must_use]
    pub fn of_feed(text: &str) -> Option<Vat> {
        Some(match text {
            "NO_VAT" | "6" => Vat::None,
            "VAT_0" | "5" => Vat::Percent0,
            "VAT_5" => Vat::Percent5,
            "VAT_7" => Vat::Percent7,
            "VAT_10" | "2" => Vat::Percent10,
            "VAT_20" | "7" => Vat::Percent20,
            "VAT_22" => Vat::Percent22,
            _ => return None,
        })
    }
}
