//! Value added tax, as a receipt shows it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kernel::Money;

/// The rate of value added tax that a price includes, by the codes that payment
/// systems and merchants share. A code with `_ADDED` gives the same tax as the
/// one without; on the receipt it shows that the rate is computed from the
/// total, as for advances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VatCode {
    /// Not taxed.
    #[serde(rename = "VATNONE")]
    None,
    /// 0 %.
    #[serde(rename = "RUS_VAT0")]
    Zero,
    /// 5 %.
    #[serde(rename = "RUS_VAT5")]
    Five,
    /// 7 %.
    #[serde(rename = "RUS_VAT7")]
    Seven,
    /// 10 %.
    #[serde(rename = "RUS_VAT10")]
    Ten,
    /// 20 %.
    #[serde(rename = "RUS_VAT20")]
    Twenty,
    /// 22 %.
    #[serde(rename = "RUS_VAT22")]
    TwentyTwo,
    /// 5 %, computed as 5/105.
    #[serde(rename = "RUS_VAT5_ADDED")]
    FiveAdded,
    /// 7 %, computed as 7/107.
    #[serde(rename = "RUS_VAT7_ADDED")]
    SevenAdded,
    /// 10 %, computed as 10/110.
    #[serde(rename = "RUS_VAT10_ADDED")]
    TenAdded,
    /// 20 %, computed as 20/120.
    #[serde(rename = "RUS_VAT20_ADDED")]
    TwentyAdded,
    /// 22 %, computed as 22/122.
    #[serde(rename = "RUS_VAT22_ADDED")]
    TwentyTwoAdded,
}

impl VatCode {
    /// Every code.
    pub const ALL: [VatCode; 12] = [
        VatCode::None,
        VatCode::Zero,
        VatCode::Five,
        VatCode::Seven,
        VatCode::Ten,
        VatCode::Twenty,
        VatCode::TwentyTwo,
        VatCode::FiveAdded,
        VatCode::SevenAdded,
        VatCode::TenAdded,
        VatCode::TwentyAdded,
        VatCode::TwentyTwoAdded,
    ];

    /// The code as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            VatCode::None => "VATNONE",
            VatCode::Zero => "RUS_VAT0",
            VatCode::Five => "RUS_VAT5",
            VatCode::Seven => "RUS_VAT7",
            VatCode::Ten => "RUS_VAT10",
            VatCode::Twenty => "RUS_VAT20",
            VatCode::TwentyTwo => "RUS_VAT22",
            VatCode::FiveAdded => "RUS_VAT5_ADDED",
            VatCode::SevenAdded => "RUS_VAT7_ADDED",
            VatCode::TenAdded => "RUS_VAT10_ADDED",
            VatCode::TwentyAdded => "RUS_VAT20_ADDED",
            VatCode::TwentyTwoAdded => "RUS_VAT22_ADDED",
        }
    }

    /// The rate in percent.
    #[must_use]
    pub const fn percent(self) -> i64 {
        match self {
            VatCode::None | VatCode::Zero => 0,
            VatCode::Five | VatCode::FiveAdded => 5,
            VatCode::Seven | VatCode::SevenAdded => 7,
            VatCode::Ten | VatCode::TenAdded => 10,
            VatCode::Twenty | VatCode::TwentyAdded => 20,
            VatCode::TwentyTwo | VatCode::TwentyTwoAdded => 22,
        }
    }

    /// The tax included in `total`, to the nearest kopeck, halves rounded up.
    #[must_use]
    pub fn inside(self, total: Money) -> Money {
        let (percent, total) = (i128::from(self.percent()), i128::from(total.kopecks()));
        let whole = 100 + percent;
        let tax = (2 * total * percent + whole).div_euclid(2 * whole);
        // A share of an amount is no larger than the amount.
        Money::from_kopecks(i64::try_from(tax).unwrap_or_default())
    }
}

impl fmt::Display for VatCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tax_inside_a_total_is_exact_to_the_kopeck() {
        let tax = |code: VatCode, kopecks| code.inside(Money::from_kopecks(kopecks)).kopecks();
        assert_eq!(tax(VatCode::Twenty, 37_188), 6198);
        assert_eq!(tax(VatCode::Ten, 25_980), 2362);
        assert_eq!(tax(VatCode::TwentyTwo, 12_200), 2200);
        assert_eq!(tax(VatCode::None, 12_200), 0);
        assert_eq!(tax(VatCode::Twenty, 3), 1, "half a kopeck goes up");
        for kopecks in 0..10_000 {
            for code in VatCode::ALL {
                let (tax, percent) = (tax(code, kopecks), code.percent());
                // The error is at most half a kopeck.
                assert!(
                    (2 * (tax * (100 + percent) - kopecks * percent)).abs() <= 100 + percent,
                    "{code} {kopecks}"
                );
            }
        }
    }

    #[test]
    fn a_code_is_serialized_as_its_name() {
        for code in VatCode::ALL {
            assert_eq!(serde_json::to_value(code).expect("json"), code.as_str());
        }
    }
}
