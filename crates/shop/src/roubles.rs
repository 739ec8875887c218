//! Money in the contracts of the services: a JSON number with two decimals. It
//! is written and read by its digits, never through a binary float.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tillgate_kernel::Money;

/// A sum of money as a JSON number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roubles(pub Money);

impl Roubles {
    #[must_use]
    pub const fn of_kopecks(kopecks: i64) -> Roubles {
        Roubles(Money::from_kopecks(kopecks))
    }
}

impl Serialize for Roubles {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = RawValue::from_string(self.0.to_string());
        digits.map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Roubles {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Roubles, D::Error> {
        let digits = Box::<RawValue>::deserialize(deserializer)?;
        digits.get().parse().map(Roubles).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_keeps_its_digits() {
        for kopecks in [0, 1, 10, 29, 100, -1, -155_880, i64::MAX, i64::MIN] {
            let sum = Roubles::of_kopecks(kopecks);
            let text = serde_json::to_string(&sum).expect("JSON");
            assert_eq!(text, sum.0.to_string());
            assert_eq!(serde_json::from_str::<Roubles>(&text).expect("a sum"), sum);
        }
        assert!(serde_json::from_str::<Roubles>("\"1.00\"").is_err());
    }
}
