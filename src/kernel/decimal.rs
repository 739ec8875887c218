//! Decimal text to whole units and back, without binary floating point.
//!
//! `(f64 * 100.0) as i64` is wrong for about six in a hundred two-decimal amounts (0.29 is the first), so
//! amounts never pass through a float: digits are read one by one into an `i64` of the smallest unit.

use std::fmt;

/// The longest decimal text that is looked at, in bytes: twice what fits an `i64`.
pub const DECIMAL_BYTES_MAX: usize = 40;

/// Why a text is not a decimal number of the wanted precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not digits with at most one dot between them.
    #[error("is not a decimal number such as 12.50")]
    NotDecimal,
    /// More digits after the dot than the unit has.
    #[error("has more digits after the dot than the {0} that are kept")]
    TooPrecise(u32),
    /// Larger than an `i64` of the smallest unit.
    #[error("is too large")]
    TooLarge,
}

/// Reads `text` as a number with `scale` digits after the dot, in units of the last of them:
/// `parse("1.5", 2)` is 150. Zeros beyond the scale are accepted (`"1.500"`), other digits are not.
pub fn parse(text: &str, scale: u32) -> Result<i64, DecimalError> {
    if text.len() > DECIMAL_BYTES_MAX {
        return Err(DecimalError::TooLarge);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(DecimalError::NotDecimal),
        None => (digits, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::NotDecimal);
    }
    let kept = fraction.len().min(scale as usize);
    if fraction.as_bytes()[kept..].iter().any(|&digit| digit != b'0') {
        return Err(DecimalError::TooPrecise(scale));
    }
    let missing_zeros = std::iter::repeat_n(b'0', scale as usize - kept);
    let mut units: i64 = 0;
    for digit in whole.bytes().chain(fraction.bytes().take(kept)).chain(missing_zeros) {
        // Accumulated below zero because an `i64` reaches one further there.
        units = units
            .checked_mul(10)
            .and_then(|units| units.checked_sub(i64::from(digit - b'0')))
            .ok_or(DecimalError::TooLarge)?;
    }
    if negative { Ok(units) } else { units.checked_neg().ok_or(DecimalError::TooLarge) }
}

/// Writes `units` with exactly `scale` digits after the dot: `(150, 2)` is `1.50`.
pub fn write(f: &mut fmt::Formatter<'_>, units: i64, scale: u32) -> fmt::Result {
    let one = 10_u64.pow(scale);
    let (sign, size) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
    write!(f, "{sign}{}.{:0width$}", size / one, size % one, width = scale as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_spellings_are_refused_with_the_reason() {
        for text in ["", "-", ".", "1.", ".5", "1,5", "+1", " 1", "1e3", "0x1", "--1", "1.2.3", "١", "NaN"] {
            assert_eq!(parse(text, 2), Err(DecimalError::NotDecimal), "{text:?}");
        }
        assert_eq!(parse("0.005", 2), Err(DecimalError::TooPrecise(2)));
        assert_eq!(parse("99999999999999999999", 2), Err(DecimalError::TooLarge));
        assert_eq!(parse(&"9".repeat(41), 2), Err(DecimalError::TooLarge));
        assert_eq!(parse("92233720368547758.08", 2), Err(DecimalError::TooLarge));
    }

    #[test]
    fn the_ends_of_the_range_are_read() {
        assert_eq!(parse("92233720368547758.07", 2), Ok(i64::MAX));
        assert_eq!(parse("-92233720368547758.08", 2), Ok(i64::MIN));
        assert_eq!(parse("00012.5000", 2), Ok(1250));
        assert_eq!(parse("-0", 3), Ok(0));
    }
}
