//! Numbers of bank cards in texts of others.
//!
//! Buyers write them into comments, and whoever keeps one is answerable for it. So they are masked before a text is kept or
//! sent on: each digit but the last four becomes an asterisk, and nothing else moves. A number is one of 15 to 19 digits
//! that begins with 2 to 6 and has the right check digit (Luhn), in one piece or in groups of at least four.

use std::borrow::Cow;
use std::ops::Range;

/// Digits of a card's number.
const DIGITS: std::ops::RangeInclusive<usize> = 15..=19;

/// The digits that stay, so that a person can tell which card was meant.
const LAST_DIGITS: usize = 4;

/// The most groups that a number is written in, and the fewest digits of each but the last.
const GROUPS_MAX: usize = 5;
const GROUP_DIGITS_MIN: usize = 4;

/// The most signs between two groups.
const BETWEEN_MAX: usize = 3;

/// `text` with the numbers of cards masked.
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

/// A body as it came, with the numbers of cards masked: in JSON in all texts but those whose names say that they identify
/// something, in anything else throughout. It is as long as before.
#[must_use]
pub fn mask_body(body: &[u8]) -> Cow<'_, [u8]> {
    let is_json = matches!(body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'[' | 0xef));
    let mut masked: Option<Vec<u8>> = None;
    let mut mask = |digits: Vec<Range<usize>>, begin: usize| {
        for Range { start, end } in digits {
            let place = begin + start..begin + end;
            let sign: &[u8] = if place.len() == 1 { b"*" } else { b"\\u002a" };
            masked.get_or_insert_with(|| body.to_vec())[place].copy_from_slice(sign);
        }
    };
    if !is_json {
        mask(found_in(body, false), 0);
        return masked.map_or(Cow::Borrowed(body), Cow::Owned);
    }
    let mut name: &[u8] = b"";
    let mut rest = 0;
    while let Some(text) = next_string(body, rest) {
        let string = &body[text.clone()];
        rest = text.end + 1;
        let next = body.get(rest..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace());
        if next == Some(&b':') {
            name = string;
        } else if string.len() >= *DIGITS.start() && !identifies(name) {
            mask(found_in(string, true), text.start);
        }
    }
    masked.map_or(Cow::Borrowed(body), Cow::Owned)
}

/// The next string's text: where it lies, without its quotation marks.
fn next_string(json: &[u8], from: usize) -> Option<Range<usize>> {
    let start = from + memchr::memchr(b'"', json.get(from..)?)? + 1;
    let mut end = start;
    loop {
        end += memchr::memchr2(b'"', b'\\', json.get(end..)?).unwrap_or(json.len() - end);
        match json.get(end) {
            Some(b'\\') => end = (end + 2).min(json.len()),
            Some(_) | None => return Some(start..end), // one that does not end was cut off
        }
    }
}

/// Whether a field of this name holds what identifies something: an article, an order, an address.
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

/// A sign of a text, as far as numbers of cards are concerned.
enum Sign {
    Digit(u8),
    Between,
    Other,
}

/// The sign at the beginning of `text`, and how many bytes it takes.
fn sign_at(text: &[u8], has_escapes: bool) -> (Sign, usize) {
    match *text {
        [digit @ b'0'..=b'9', ..] => (Sign::Digit(digit - b'0'), 1),
        [b' ' | b'-' | b'.' | b'\t', ..] => (Sign::Between, 1),
        // A space that does not break, a narrow one, a thin one.
        [0xc2, 0xa0, ..] => (Sign::Between, 2),
        [0xe2, 0x80, 0xaf | 0x89, ..] => (Sign::Between, 3),
        [b'\\', b'u', a, b, c, d, ..] if has_escapes => {
            let code =
                std::str::from_utf8(&[a, b, c, d]).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok());
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

/// A group of digits: their values and where each lies.
#[derive(Default)]
struct Group(Vec<(u8, Range<usize>)>);

/// Where the digits lie that are to be masked.
fn found_in(text: &[u8], has_escapes: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut run: Vec<Group> = Vec::new(); // groups with nothing but signs between them
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
            let masked = digits[..digits.len() - LAST_DIGITS].iter().map(|(_, place)| place.clone());
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
    let digits = || groups.iter().flat_map(|group| group.0.iter().map(|(value, _)| u32::from(*value)));
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
    use super::*;

    #[test]
    fn numbers_of_cards_are_masked() {
        for (text, masked) in [
            ("4111111111111111", "************1111"),
            ("карта 4111 1111 1111 1111, спасибо", "карта **** **** **** 1111, спасибо"),
            ("5500-0000-0000-0004", "****-****-****-0004"),
            ("3782 822463 10005", "**** ****** *0005"),
            ("2200\u{a0}0000\u{a0}0000\u{a0}0004", "****\u{a0}****\u{a0}****\u{a0}0004"),
            ("6759649826438453 и 4111111111111111", "************8453 и ************1111"),
            ("тел. 8 903 111 22 33 4111 1111 1111 1111", "тел. 8 903 111 22 33 **** **** **** 1111"),
            ("4000000000000000006", "***************0006"),
            ("4111 - 1111 - 1111 - 1111", "**** - **** - **** - 1111"), // three signs between
        ] {
            assert_eq!(mask(text), masked);
            assert_eq!(mask(masked), masked, "twice is once");
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "4111111111111112",                 // wrong check digit
            "1111111111111117",                 // no card begins with 1
            "41111111111111",                   // too short
            "41111111111111111111111111111111", // too long
            "4111 -- 1111 -- 1111 -- 1111",     // four signs between
            "+7 903 111-22-33",
            "8 (495) 123-45-67, 8 (495) 765-43-21, кв. 4111",
            "2026-11-29 12:30, 4111 шт по 1111.11",
            "",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn in_json_what_identifies_is_left_alone() {
        let body = r#"{"originalOrderId":"4111111111111111","positions":[{"id":"4111111111111111","name":"Карта 4111 1111 1111 1111","price":4111111111111111}],
            "comment" : "\u0034111\u00201111 1111 1111 \"",
            "wishes":["4111111111111111",{"sku":"4111111111111111"}],"cardNumber":"4111111111111111","cut":"4111111111111111"#;
        let masked = mask_body(body.as_bytes());
        let expected = r#"{"originalOrderId":"4111111111111111","positions":[{"id":"4111111111111111","name":"Карта **** **** **** 1111","price":4111111111111111}],
            "comment" : "\u002a***\u0020**** **** 1111 \"",
            "wishes":["************1111",{"sku":"4111111111111111"}],"cardNumber":"************1111","cut":"************1111"#;
        assert_eq!(String::from_utf8_lossy(&masked), expected);
        assert_eq!(mask_body(b"comment=4111-1111-1111-1111"), &b"comment=****-****-****-1111"[..]);
        for untouched in [&b""[..], b"\"", b"{\"", b"{\"a\":\"\\", b"{\"a\":\"4111\\u00", b"\xff\xfe\x00"] {
            assert_eq!(mask_body(untouched), untouched);
        }
    }
}
