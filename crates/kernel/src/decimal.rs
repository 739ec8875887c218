//! Converts decimal text to whole units and back, without binary floating
//! point.
//!
//! `(f64 * 100.0) as i64` is wrong for about six in a hundred two-decimal
//! amounts (0.29 is the first). So amounts never pass through a float: the
//! digits are read one by one into an `i64` of the smallest unit.

use serde::{Deserialize, Serialize};

use std::fmt;

/// The longest decimal text that is accepted, in bytes: twice what fits an
/// `i64`.
pub const DECIMAL_BYTES_MAX: usize = 40;

/// Why a text is not a decimal number of the required precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum DecimalError {
    /// Not digits with at most one dot between them.
    #[error("is not a decimal number such as 12.50")]
    NotDecimal,
    /// More digits after the dot than the unit has.
    #[error("has more digits after the dot than the {0} that are kept")]
    TooPrecise(u32),
    /// An exponent that no price or quantity has.
    #[error("has an exponent beyond {0}")]
    ExponentTooLarge(i32),
    /// Larger than an `i64` of the smallest unit.
    #[error("is too large")]
    TooLarge,
}

/// Reads `text` as a number with `scale` digits after the dot, in units of the
/// last of them: `parse("1.5", 2)` is 150. Zeros beyond the scale are accepted
/// (`"1.500"`), other digits are not.
pub fn parse(text: &str, scale: u32) -> Result<i64, DecimalError> {
    if let Some(units) = plain(text, scale) {
        return Ok(units);
    }
    if text.len() > DECIMAL_BYTES_MAX {
        return Err(DecimalError::TooLarge);
    }
    let (negative, whole, fraction) = parts(text)?;
    let kept = fraction.len().min(scale as usize);
    if fraction.as_bytes()[kept..].iter().any(|&digit| digit != b'0') {
        return Err(DecimalError::TooPrecise(scale));
    }
    let missing_zeros = std::iter::repeat_n(b'0', scale as usize - kept);
    let mut units: i64 = 0;
    for digit in whole.bytes().chain(fraction.bytes().take(kept)).chain(missing_zeros) {
        // Accumulated as a negative number, because an `i64` reaches one
        // further below zero.
        units = units
            .checked_mul(10)
            .and_then(|units| units.checked_sub(i64::from(digit - b'0')))
            .ok_or(DecimalError::TooLarge)?;
    }
    if negative { Ok(units) } else { units.checked_neg().ok_or(DecimalError::TooLarge) }
}

/// The longest text that [`plain`] reads, in bytes: no number of it overflows
/// an `i64`.
const PLAIN_BYTES_MAX: usize = 15;

/// Reads what nearly all amounts are: a few digits, perhaps with a dot and at
/// most `scale` more. `None` for everything else, correct or not.
fn plain(text: &str, scale: u32) -> Option<i64> {
    let mut units: i64 = 0;
    let mut after_dot = None;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' if place < PLAIN_BYTES_MAX => {
                units = units * 10 + i64::from(byte - b'0');
                after_dot = after_dot.map(|digits| digits + 1);
            }
            b'.' if place > 0 && after_dot.is_none() => after_dot = Some(0),
            _ => return None,
        }
    }
    let missing_zeros = match after_dot {
        Some(0) => return None,
        None if text.is_empty() => return None,
        digits => scale.checked_sub(digits.unwrap_or(0))?,
    };
    10_i64.checked_pow(missing_zeros).and_then(|power| units.checked_mul(power))
}

/// Whether a number is below zero, and its digits before and after the dot.
fn parts(text: &str) -> Result<(bool, &str, &str), DecimalError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(DecimalError::NotDecimal),
        None => (digits, ""),
    };
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
    {
        return Err(DecimalError::NotDecimal);
    }
    Ok((negative, whole, fraction))
}

/// Parses a number as other programs write it: a JSON number, with or without
/// an exponent. It may differ by 10⁻⁹ from a number with `scale` digits after
/// the dot, which is then the result: `0.30000000000000004` is 0.3, because its
/// sender uses binary floats.
///
/// No float is used. The exponent shifts the digits, and what lies beyond the
/// last kept digit must be almost zero or almost one whole unit.
pub fn parse_lenient(text: &str, scale: u32) -> Result<i64, DecimalError> {
    if let Some(units) = plain(text, scale) {
        return Ok(units);
    }
    if text.len() > DECIMAL_BYTES_MAX {
        return Err(DecimalError::TooLarge);
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (text, 0),
    };
    let (negative, whole, fraction) = parts(mantissa)?;
    // The end of the kept digits, counted from the first digit; below 0 if all
    // digits are beyond it.
    let end =
        i64::try_from(whole.len()).unwrap_or(i64::MAX) + i64::from(exponent) + i64::from(scale);
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
    let digit =
        |place: i64| usize::try_from(place).ok().and_then(|place| digits.get(place)).copied();
    let mut units: i64 = 0;
    for place in 0..end {
        units = units
            .checked_mul(10)
            .and_then(|units| units.checked_sub(i64::from(digit(place).unwrap_or(0))))
            .ok_or(DecimalError::TooLarge)?;
    }
    let stray_digits = i64::from(STRAY_DIGITS - scale);
    let stray = (end..end + stray_digits)
        .fold(0_i64, |stray, place| stray * 10 + i64::from(digit(place).unwrap_or(0)));
    let is_exact_beyond = (end + stray_digits..i64::try_from(digits.len()).unwrap_or(i64::MAX))
        .all(|place| digit(place).unwrap_or(0) == 0);
    let nearly_one = 10_i64.pow(STRAY_DIGITS - scale) - 1;
    if stray == nearly_one {
        units = units.checked_sub(1).ok_or(DecimalError::TooLarge)?;
    } else if stray > 1 || (stray == 1 && !is_exact_beyond) {
        return Err(DecimalError::TooPrecise(scale));
    }
    if negative { Ok(units) } else { units.checked_neg().ok_or(DecimalError::TooLarge) }
}

/// How far a sender's float may differ from the intended decimal: by one in
/// this digit after the dot.
const STRAY_DIGITS: u32 = 9;

/// The largest exponent that is accepted, positive or negative.
const EXPONENT_MAX: i32 = 20;

fn exponent_of(text: &str) -> Result<i32, DecimalError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::NotDecimal);
    }
    let size: i32 = digits.parse().map_err(|_| DecimalError::ExponentTooLarge(EXPONENT_MAX))?;
    if size > EXPONENT_MAX {
        return Err(DecimalError::ExponentTooLarge(EXPONENT_MAX));
    }
    Ok(if negative { -size } else { size })
}

/// The longest text that [`write`] writes, in bytes: a sign, a dot, and the
/// digits of an `i64`.
const WRITTEN_BYTES_MAX: usize = 2 + 20;

/// Writes `units` with exactly `scale` digits after the dot: `(150, 2)` is
/// `1.50`, `(150, 0)` is `150`.
pub fn write(f: &mut fmt::Formatter<'_>, units: i64, scale: u32) -> fmt::Result {
    let mut text = [b'0'; WRITTEN_BYTES_MAX];
    let mut begin = text.len();
    let mut put = |byte: u8| {
        begin -= 1;
        text[begin] = byte;
    };
    let (mut rest, mut digits) = (units.unsigned_abs(), 0);
    while rest > 0 || digits <= scale {
        if digits == scale && scale > 0 {
            put(b'.');
        }
        put(b'0' + u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
        digits += 1;
    }
    if units < 0 {
        put(b'-');
    }
    f.write_str(std::str::from_utf8(&text[begin..]).map_err(|_| fmt::Error)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_spellings_are_refused_with_the_reason() {
        for text in
            ["", "-", ".", "1.", ".5", "1,5", "+1", " 1", "1e3", "0x1", "--1", "1.2.3", "١", "NaN"]
        {
            assert_eq!(parse(text, 2), Err(DecimalError::NotDecimal), "{text:?}");
        }
        assert_eq!(parse("0.005", 2), Err(DecimalError::TooPrecise(2)));
        assert_eq!(parse("99999999999999999999", 2), Err(DecimalError::TooLarge));
        assert_eq!(parse(&"9".repeat(41), 2), Err(DecimalError::TooLarge));
        assert_eq!(parse("92233720368547758.08", 2), Err(DecimalError::TooLarge));
    }

    #[test]
    fn a_json_number_close_to_a_decimal_is_that_decimal() {
        for (text, thousandths) in [
            ("0.30000000000000004", 300),
            ("0.29999999999999999", 300),
            ("1e0", 1000),
            ("2.0E0", 2000),
            ("1E+2", 100_000),
            ("25e-1", 2500),
            ("-1.5E0", -1500),
            ("1.0000000000000002", 1000),
            ("0.999999999999999999999", 1000),
            ("-0.99999999999", -1000),
            ("0.000000001", 0),
            ("1.001000001", 1001),
            ("1.000999999", 1001),
            ("0.5", 500),
            ("0e0", 0),
            ("1000000e-6", 1000),
            ("0.00000000000000000015e20", 15_000),
            ("00012.5000", 12_500),
            ("-0", 0),
            ("9223372036854775.807", i64::MAX),
            ("-9223372036854775.808", i64::MIN),
        ] {
            assert_eq!(parse_lenient(text, 3), Ok(thousandths), "{text}");
        }
        for (text, kopecks) in
            [("199.99000000000001", 19_999), ("199.98999999999998", 19_999), ("1.5e3", 150_000)]
        {
            assert_eq!(parse_lenient(text, 2), Ok(kopecks), "{text}");
        }
    }

    #[test]
    fn a_number_that_is_no_decimal_of_that_precision_is_refused() {
        for text in
            ["0.3001", "0.0005", "1e-4", "1.0010000011", "1.00099999", "0.0000000010001", "1.9999"]
        {
            assert_eq!(parse_lenient(text, 3), Err(DecimalError::TooPrecise(3)), "{text}");
        }
        for text in ["1e21", "1e-21", "0e99", "1e99999999999"] {
            assert_eq!(parse_lenient(text, 3), Err(DecimalError::ExponentTooLarge(20)), "{text}");
        }
        for text in [
            "", "e1", "1e", "1e+", "1e1.5", "1e1e1", "1,5", "1 000", "+1", ".5", "5.", "0x1",
            "NaN", "1e-",
        ] {
            assert_eq!(parse_lenient(text, 3), Err(DecimalError::NotDecimal), "{text}");
        }
        for text in
            ["1e20", "9223372036854775.808", &"9".repeat(41), &format!("1.{}", "0".repeat(39))]
        {
            assert_eq!(parse_lenient(text, 3), Err(DecimalError::TooLarge), "{text}");
        }
    }

    proptest! {
        /// The shortest and the longest forms in which a float is printed are
        /// both read as the original number.
        #[test]
        fn a_float_made_of_a_decimal_is_read_as_that_decimal(
            units in -10_000_000_i64..10_000_000,
            scale in 2_u32..=3,
        ) {
            #[expect(
                clippy::float_arithmetic,
                clippy::cast_precision_loss,
                reason = "what senders do"
            )]
            let float = units as f64 / 10_f64.powi(scale.cast_signed());
            prop_assert_eq!(parse_lenient(&format!("{float}"), scale), Ok(units));
            prop_assert_eq!(parse_lenient(&format!("{float:e}"), scale), Ok(units));
            prop_assert_eq!(parse_lenient(&format!("{float:.16}"), scale), Ok(units));
        }

        /// The lenient parser agrees with the strict one on everything that the
        /// strict one accepts.
        #[test]
        fn the_lenient_reader_agrees_with_the_strict_one(
            text in "-?[0-9]{1,18}(\\.[0-9]{1,6})?",
            scale in 2_u32..=3,
        ) {
            if let Ok(units) = parse(&text, scale) {
                prop_assert_eq!(parse_lenient(&text, scale), Ok(units));
            }
        }

        #[test]
        fn no_text_makes_the_lenient_reader_panic(text in "[-+0-9.eE]{0,45}") {
            let _ = parse_lenient(&text, 2);
        }
    }

    #[test]
    fn the_ends_of_the_range_are_read() {
        assert_eq!(parse("92233720368547758.07", 2), Ok(i64::MAX));
        assert_eq!(parse("-92233720368547758.08", 2), Ok(i64::MIN));
        assert_eq!(parse("00012.5000", 2), Ok(1250));
        assert_eq!(parse("-0", 3), Ok(0));
    }
}
