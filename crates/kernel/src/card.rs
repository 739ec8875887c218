//! Masks the numbers of bank cards in text from outside.
//!
//! Buyers write card numbers into comments, and anyone who stores one is liable
//! for it. So they are masked before a text is stored or sent on: each digit
//! except the last four becomes an asterisk, and everything else stays. A card
//! number has 15 to 19 digits, begins with 2 to 6, has the right check digit
//! (Luhn), and is written in one piece or in groups of at least four digits.

use std::borrow::Cow;
use std::ops::Range;

/// The number of digits in a card number.
const DIGITS: std::ops::RangeInclusive<usize> = 15..=19;

/// The digits that stay, so that a person can see which card was meant.
const LAST_DIGITS: usize = 4;

/// The largest number of groups, and the smallest number of digits in each
/// group except the last.
const GROUPS_MAX: usize = 5;
const GROUP_DIGITS_MIN: usize = 4;

/// The largest number of separators between two groups.
const BETWEEN_MAX: usize = 3;

/// `text` with card numbers masked.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    let digits = found_in(text.as_bytes(), false);
    if digits.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = text.to_owned();
    for digit in digits.into_iter().rev() {
        masked.replace_range(digit, "*");
    }
    Cow::Owned(masked)
}

/// The body of a request with card numbers masked. In JSON it masks all strings
/// except in fields whose names say that they identify something. In anything
/// else it masks them everywhere. The length does not change.
#[must_use]
pub fn mask_body(body: &[u8]) -> Cow<'_, [u8]> {
    let is_json =
        matches!(body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'[' | 0xef));
    if !is_json {
        return masked(body, found_in(body, false));
    }
    if !may_have_card_in_json(body) {
        return Cow::Borrowed(body);
    }
    masked(body, found_in_json(body))
}

/// The body with asterisks at these places.
fn masked(body: &[u8], digits: Vec<Range<usize>>) -> Cow<'_, [u8]> {
    if digits.is_empty() {
        return Cow::Borrowed(body);
    }
    let mut masked = body.to_vec();
    for digit in digits {
        let sign: &[u8] = if digit.len() == 1 { b"*" } else { b"\\u002a" };
        masked[digit].copy_from_slice(sign);
    }
    Cow::Owned(masked)
}

/// The positions of the digits to mask in the strings of JSON.
fn found_in_json(body: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut name: &[u8] = b"";
    let mut rest = 0;
    while let Some(text) = next_string(body, rest) {
        let string = &body[text.clone()];
        rest = text.end + 1;
        let next =
            body.get(rest..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace());
        if next == Some(&b':') {
            name = string;
        } else if string.len() >= *DIGITS.start() && !identifies(name) {
            let digits = found_in(string, true);
            found.extend(digits.iter().map(|at| text.start + at.start..text.start + at.end));
        }
    }
    found
}

/// The range of the next string's text, without its quotation marks.
fn next_string(json: &[u8], from: usize) -> Option<Range<usize>> {
    let start = from + memchr::memchr(b'"', json.get(from..)?)? + 1;
    let mut end = start;
    loop {
        end += memchr::memchr2(b'"', b'\\', json.get(end..)?).unwrap_or(json.len() - end);
        match json.get(end) {
            Some(b'\\') => end = (end + 2).min(json.len()),
            Some(_) | None => return Some(start..end), // the body was cut off
        }
    }
}

/// Whether a field with this name identifies something: an article, an order,
/// an address.
fn identifies(name: &[u8]) -> bool {
    const ENDS: [&str; 20] = [
        "id",
        "ids",
        "sku",
        "number",
        "code",
        "barcode",
        "gtin",
        "ean",
        "article",
        "uuid",
        "guid",
        "token",
        "hash",
        "signature",
        "time",
        "date",
        "phone",
        "inn",
        "url",
        "quantity",
    ];
    let name = name.to_ascii_lowercase();
    let holds_cards = ["card", "pan"].iter().any(|word| contains(&name, word.as_bytes()));
    !holds_cards && ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// A character, as far as card numbers are concerned.
enum Sign {
    Digit(u8),
    Between,
    Other,
}

/// The character at the beginning of `text`, and its length in bytes.
fn sign_at(text: &[u8], has_escapes: bool) -> (Sign, usize) {
    match *text {
        [digit @ b'0'..=b'9', ..] => (Sign::Digit(digit - b'0'), 1),
        [b' ' | b'-' | b'.' | b'\t', ..] => (Sign::Between, 1),
        // A non-breaking space, a narrow one, a thin one.
        [0xc2, 0xa0, ..] => (Sign::Between, 2),
        [0xe2, 0x80, 0xaf | 0x89, ..] => (Sign::Between, 3),
        [b'\\', b'u', a, b, c, d, ..] if has_escapes => {
            let code = std::str::from_utf8(&[a, b, c, d])
                .ok()
                .and_then(|hex| u32::from_str_radix(hex, 16).ok());
            let sign = match code.and_then(char::from_u32) {
                Some(digit @ '0'..='9') => Sign::Digit(digit as u8 - b'0'),
                Some(' ' | '-' | '.' | '\t' | '\u{a0}' | '\u{202f}' | '\u{2009}') => Sign::Between,
                Some(_) | None => Sign::Other,
            };
            (sign, 6)
        }
        [b'\\', b't', ..] if has_escapes => (Sign::Between, 2),
        [b'\\', _, ..] if has_escapes => (Sign::Other, 2),
        _ => (Sign::Other, 1),
    }
}

/// A group of digits: each digit's value and its position.
#[derive(Default)]
struct Group(Vec<(u8, Range<usize>)>);

/// Whether the text may have a card number: enough digits with only separators
/// between them. Nearly no text has, and this allocates nothing.
fn may_have_card(text: &[u8], has_escapes: bool) -> bool {
    let mut digits = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                if digits == *DIGITS.start() {
                    return true;
                }
            }
            b'\\' if has_escapes => return true,
            _ if is_of_card(*byte) => {}
            _ => digits = 0,
        }
    }
    false
}

/// Whether a JSON text may have a card number. Nearly none has, so it looks
/// at every fourth byte only until it meets a digit: the first group of a card
/// number has at least four.
fn may_have_card_in_json(json: &[u8]) -> bool {
    let mut place = GROUP_DIGITS_MIN - 1;
    while let Some(byte) = json.get(place) {
        if !byte.is_ascii_digit() {
            place += GROUP_DIGITS_MIN;
            continue;
        }
        let before = json[..place].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let run = &json[place - before..];
        let end = run.iter().position(|&byte| !is_of_card(byte)).unwrap_or(run.len());
        // After a backslash there may be an escaped space or digit.
        if run.get(end) == Some(&b'\\') || may_have_card(&run[..end], false) {
            return true;
        }
        place += end - before + GROUP_DIGITS_MIN;
    }
    false
}

/// Whether a byte may belong to a card number. Any byte of a space that has
/// several counts.
fn is_of_card(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b' ' | b'-' | b'.' | b'\t' | 0x80..)
}

/// The positions of the digits to mask.
fn found_in(text: &[u8], has_escapes: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if !may_have_card(text, has_escapes) {
        return found;
    }
    let mut run: Vec<Group> = Vec::new(); // groups with only separators between them
    let mut group = Group::default();
    let (mut place, mut between) = (0, 0);
    while place < text.len() {
        let (sign, length) = sign_at(&text[place..], has_escapes);
        match sign {
            Sign::Digit(value) => {
                group.0.push((value, place..place + length));
                between = 0;
            }
            Sign::Between if between < BETWEEN_MAX => {
                between += 1;
                if !group.0.is_empty() {
                    run.push(std::mem::take(&mut group));
                }
            }
            Sign::Between | Sign::Other => {
                run.push(std::mem::take(&mut group));
                look_through(&std::mem::take(&mut run), &mut found);
                between = 0;
            }
        }
        place += length;
    }
    run.push(group);
    look_through(&run, &mut found);
    found
}

fn look_through(run: &[Group], found: &mut Vec<Range<usize>>) {
    let mut first = 0;
    while first < run.len() {
        let longest = (1..=GROUPS_MAX.min(run.len() - first)).rev();
        let number = longest.map(|count| &run[first..first + count]).find(|groups| is_card(groups));
        if let Some(groups) = number {
            let digits: Vec<_> = groups.iter().flat_map(|group| &group.0).collect();
            let masked =
                digits[..digits.len() - LAST_DIGITS].iter().map(|(_, place)| place.clone());
            found.extend(masked);
        }
        first += number.map_or(1, <[Group]>::len);
    }
}

fn is_card(groups: &[Group]) -> bool {
    let Some((_, before)) = groups.split_last() else { return false };
    let count: usize = groups.iter().map(|group| group.0.len()).sum();
    if !DIGITS.contains(&count) || before.iter().any(|group| group.0.len() < GROUP_DIGITS_MIN) {
        return false;
    }
    let digits =
        || groups.iter().flat_map(|group| group.0.iter().map(|(value, _)| u32::from(*value)));
    let begins_right = digits().next().is_some_and(|first| (2..=6).contains(&first));
    let doubled = |(place, digit): (usize, u32)| match (count - place) % 2 {
        0 if digit > 4 => digit * 2 - 9,
        0 => digit * 2,
        _ => digit,
    };
    begins_right && digits().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8000))]

        /// The quick look never passes over a card number.
        #[test]
        fn a_text_with_a_card_is_never_passed_over(
            parts in prop::collection::vec(prop_oneof![
                Just("4111111111111111"), Just("4111 1111 1111 1111"),
                Just("5500-0000 - 0000\\u00a00004"), Just("4111"), Just("1111"), Just("5500"), Just("0000"),
                Just("0004"), Just("12"), Just("7"), Just(" "), Just("-"), Just("\u{a0}"),
                Just("\\u00a0"), Just("\\u0034"), Just("\\u0031"), Just("\""), Just("\":\""),
                Just("id"), Just("a"), Just(","), Just("ё"), Just("\\"),
            ], 0..24),
        ) {
            let body = format!("{{\"{}", parts.concat());
            let found = found_in_json(body.as_bytes());
            prop_assert!(found.is_empty() || may_have_card_in_json(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn card_numbers_are_masked() {
        for (text, masked) in [
            ("4111111111111111", "************1111"),
            ("карта 4111 1111 1111 1111, спасибо", "карта **** **** **** 1111, спасибо"),
            ("5500-0000-0000-0004", "****-****-****-0004"),
            ("3782 822463 10005", "**** ****** *0005"),
            ("2200\u{a0}0000\u{a0}0000\u{a0}0004", "****\u{a0}****\u{a0}****\u{a0}0004"),
            ("6759649826438453 и 4111111111111111", "************8453 и ************1111"),
            (
                "тел. 8 903 111 22 33 4111 1111 1111 1111",
                "тел. 8 903 111 22 33 **** **** **** 1111",
            ),
            ("4000000000000000006", "***************0006"),
            ("4111 - 1111 - 1111 - 1111", "**** - **** - **** - 1111"), // three separators
        ] {
            assert_eq!(mask(text), masked);
            assert_eq!(mask(masked), masked, "masking twice changes nothing");
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "4111111111111112",                 // wrong check digit
            "1111111111111117",                 // no card begins with 1
            "41111111111111",                   // too short
            "41111111111111111111111111111111", // too long
            "4111 -- 1111 -- 1111 -- 1111",     // four separators
            "+7 903 111-22-33",
            "8 (495) 123-45-67, 8 (495) 765-43-21, кв. 4111",
            "2026-11-29 12:30, 4111 шт по 1111.11",
            "",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn in_json_identifying_fields_are_not_masked() {
        let body = r#"{"originalOrderId":"4111111111111111","positions":[{"id":"4111111111111111","name":"Карта 4111 1111 1111 1111","price":4111111111111111}],
            "comment" : "\u0034111\u00201111 1111 1111 \"",
            "wishes":["4111111111111111",{"sku":"4111111111111111"}],"cardNumber":"4111111111111111","cut":"4111111111111111"#;
        let masked = mask_body(body.as_bytes());
        let expected = r#"{"originalOrderId":"4111111111111111","positions":[{"id":"4111111111111111","name":"Карта **** **** **** 1111","price":4111111111111111}],
            "comment" : "\u002a***\u0020**** **** 1111 \"",
            "wishes":["************1111",{"sku":"4111111111111111"}],"cardNumber":"************1111","cut":"************1111"#;
        assert_eq!(String::from_utf8_lossy(&masked), expected);
        assert_eq!(mask_body(b"comment=4111-1111-1111-1111"), &b"comment=****-****-****-1111"[..]);
        for untouched in
            [&b""[..], b"\"", b"{\"", b"{\"a\":\"\\", b"{\"a\":\"4111\\u00", b"\xff\xfe\x00"]
        {
            assert_eq!(mask_body(untouched), untouched);
        }
    }
}
