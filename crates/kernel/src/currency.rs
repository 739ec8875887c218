//! Currencies.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A currency of stored amounts. The supported marketplaces and payment systems
/// use roubles. Another currency would be another variant, and the compiler
/// would show where it matters.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Currency {
    /// The rouble, in kopecks.
    #[default]
    #[serde(rename = "RUB")]
    Rub,
}

impl Currency {
    /// The ISO 4217 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Currency::Rub => "RUB",
        }
    }

    /// The number of decimal places of the smallest unit.
    #[must_use]
    pub const fn minor_digits(self) -> u32 {
        match self {
            Currency::Rub => 2,
        }
    }

    /// Reads a code in upper or lower case. Also accepts `RUR`, the rouble's
    /// code before 1998, which old programs still send.
    #[must_use]
    pub fn read(text: &str) -> Option<Currency> {
        match text.trim().to_ascii_uppercase().as_str() {
            "RUB" | "RUR" => Some(Currency::Rub),
            _ => None,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_programs_write_them() {
        for text in ["RUB", "rub", "RUR", " Rub "] {
            assert_eq!(Currency::read(text), Some(Currency::Rub), "{text}");
        }
        for text in ["", "USD", "RU", "РУБ"] {
            assert_eq!(Currency::read(text), None, "{text}");
        }
    }
}
