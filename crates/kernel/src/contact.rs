//! E-mail addresses and telephone numbers, in the normalised form in which they
//! are compared, stored and sent.

/// The longest e-mail address, in bytes.
const EMAIL_BYTES_MAX: usize = 254;

/// The number of digits of a telephone number, including the country code.
const PHONE_DIGITS_MIN: usize = 10;
const PHONE_DIGITS_MAX: usize = 15;

/// The e-mail address in `text`. `None` if it cannot be one.
#[must_use]
pub fn email(text: &str) -> Option<String> {
    let text = without_invisible(text);
    let text = text.trim();
    let has_scheme =
        text.get(..MAILTO.len()).is_some_and(|start| start.eq_ignore_ascii_case(MAILTO));
    let text = if has_scheme { text[MAILTO.len()..].trim() } else { text };
    let (name, host) = text.split_once('@')?;
    let is_plain = !text
        .contains(|sign: char| sign.is_whitespace() || sign.is_control() || "<>,;".contains(sign));
    let is_host = host.contains('.')
        && !host.contains('@')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && !host.contains("..");
    (is_plain && is_host && !name.is_empty() && text.len() <= EMAIL_BYTES_MAX)
        .then(|| text.to_owned())
}

/// The scheme of a link to an e-mail address.
const MAILTO: &str = "mailto:";

/// The text without the invisible characters that are often copied along with
/// it: joiners, direction marks, soft hyphens.
fn without_invisible(text: &str) -> String {
    let is_invisible = |sign: char| {
        matches!(
            sign,
            '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{ad}'
        )
    };
    text.chars().filter(|sign| !is_invisible(*sign)).collect()
}

/// The telephone number in `text`, with its country code. `None` if it cannot
/// be one. A Russian number has 11 digits without a plus sign; any other has a
/// plus sign before its digits.
///
/// Russian numbers are accepted in their usual spellings: `+7 (999) 000-00-00`,
/// `8 999 000-00-00`, `9990000000`. An extension (`доб. 12`, `ext 12`, `#12`,
/// `,12`) is dropped.
#[must_use]
pub fn phone(text: &str) -> Option<String> {
    let text = without_invisible(text);
    let main = without_extension(&text);
    let has_plus = main.trim_start().starts_with('+') || main.trim_start().starts_with("(+");
    let mut digits: String = main.chars().filter(char::is_ascii_digit).collect();
    if !has_plus {
        // The international call prefix means the same as the plus sign.
        let abroad = digits.strip_prefix("810").or_else(|| digits.strip_prefix("00"));
        if let Some(rest) = abroad.filter(|rest| rest.len() >= PHONE_DIGITS_MIN) {
            digits = rest.to_owned();
        } else {
            digits = match (digits.len(), digits.as_bytes().first()) {
                (10, Some(b'3' | b'4' | b'8' | b'9')) => format!("7{digits}"),
                (11, Some(b'8')) => format!("7{}", &digits[1..]),
                (11.., _) => digits,
                (_, _) => return None,
            };
        }
    } else if let Some(rest) = digits.strip_prefix("89").filter(|rest| rest.len() == 9) {
        // No country code is 89: the plus sign was put before the trunk prefix
        // 8.
        digits = format!("79{rest}");
    }
    // The trunk prefix 8 after the country code.
    if let Some(rest) = digits.strip_prefix("78").filter(|rest| rest.len() == 10) {
        digits = format!("7{rest}");
    }
    let is_of_seven = digits.starts_with('7');
    let has_length = (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len());
    // No country code begins with 0, and every number after 7 has ten digits.
    if !has_length || digits.starts_with('0') || (is_of_seven && digits.len() != 11) {
        return None;
    }
    Some(if is_of_seven { digits } else { format!("+{digits}") })
}

fn without_extension(text: &str) -> &str {
    let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-() ".contains(&byte);
    if text.bytes().all(is_of_number) {
        return text; // no mark is among these
    }
    let lower = text.to_lowercase();
    let marks = ["доб", "доп", "вн", "ext", "x", "х", "#", "*", "/", "\\", ",", ";", "w", "p"];
    // The mark must come after a number: "тел., +7 …" has a comma at its
    // beginning, too.
    let begins = |place: usize| {
        lower[..place].chars().filter(char::is_ascii_digit).count() >= PHONE_DIGITS_MIN
    };
    let end = marks.iter().filter_map(|mark| {
        lower.match_indices(mark).map(|(place, _)| place).find(|place| begins(*place))
    });
    // Lower case may differ in length from the original text.
    end.min().and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Whether a text is an INN, the number of a Russian taxpayer: 10 digits of a
/// company or 12 of a person, the last ones of which check the others.
#[must_use]
pub fn is_inn(text: &str) -> bool {
    const WEIGHTS: [u32; 11] = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
    let Some(digits) = text.chars().map(|sign| sign.to_digit(10)).collect::<Option<Vec<u32>>>()
    else {
        return false;
    };
    // The weights of a check digit are the last of the list.
    let is_right = |at: usize| {
        let weights = &WEIGHTS[WEIGHTS.len() - at..];
        let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
        digits[at] == sum % 11 % 10
    };
    match digits.len() {
        10 => is_right(9),
        12 => is_right(10) && is_right(11),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spellings_of_a_russian_number_are_one_number() {
        for text in [
            "+7 (999) 000-00-00",
            "+79990000000",
            "79990000000",
            "8 (999) 000-00-00",
            "89990000000",
            "9990000000",
            "999 000 00 00",
            " 8-999-000-00-00 ",
            "+7\u{a0}999\u{a0}000\u{2011}00\u{2011}00",
            "+7 999 000 00 00 доб. 123",
            "+7 999 000-00-00, доб 5",
            "8(999)0000000 ext. 4",
            "8(999)0000000x4",
            "+7 999 000-00-00 #12",
            "+7 999 000-00-00 (вн. 12)",
            "тел., +7 999 000-00-00",
            "(+7) 999 000 00 00",
            "+8 999 000-00-00",
            "+7(999)000-00-00 доп. 12",
            "+7 (999) 000-00-00 / 12",
            "8-999-000-00-00 *12",
            "+7 8 999 000 00 00",
            "007 999 000 00 00",
            "+7 999 000-00-00 / +7 999 111-11-11",
            "\u{202a}+7 999 000-00-00\u{202c}",
        ] {
            assert_eq!(phone(text).as_deref(), Some("79990000000"), "{text:?}");
        }
        assert_eq!(phone("8 (495) 123-45-67").as_deref(), Some("74951234567"));
        assert_eq!(phone("495 123 45 67").as_deref(), Some("74951234567"));
        assert_eq!(phone("+375 29 123-45-67").as_deref(), Some("+375291234567"));
        assert_eq!(phone("8 10 375 29 123 45 67").as_deref(), Some("+375291234567"));
    }

    #[test]
    fn a_text_without_a_contact_is_none() {
        for text in [
            "",
            " ",
            "-",
            "нет",
            "+",
            "+7",
            "12345",
            "000",
            "+12345678901234567",
            "+7 999 000 00 0",
            "7 999 000 00 0",
            "+7 999 000 00 00 0",
            "0000000000",
            "00000000000",
            "1234567890",
            "доб. 12",
        ] {
            assert_eq!(phone(text), None, "{text:?}");
        }
        for text in [
            "",
            " ",
            "-",
            "нет",
            "@",
            "a@",
            "@b.ru",
            "a b@c.ru",
            "a@b",
            "a@.ru",
            "a@b.",
            "Anna <a@b.ru>",
            "a@b.ru, c@d.ru",
            "a@@b.ru",
            "a@b@c.ru",
            "mailto:",
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
        assert_eq!(email(" a.b+c@example.org\n").as_deref(), Some("a.b+c@example.org"));
        assert_eq!(email("MailTo: a@b.ru").as_deref(), Some("a@b.ru"));
        assert_eq!(email("\u{200b}a@b\u{ad}.ru\u{feff} ").as_deref(), Some("a@b.ru"));
        assert_eq!(email("анна@почта.рф").as_deref(), Some("анна@почта.рф"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,40}") {
            let (_, again) = (email(&text), phone(&text));
            // Normalising a number twice changes nothing.
            if let Some(digits) = again {
                proptest::prop_assert_eq!(phone(&digits), Some(digits));
            }
        }
    }

    #[test]
    fn an_inn_has_the_right_check_digits() {
        for inn in ["7707083893", "7736207543", "500100732259"] {
            assert!(is_inn(inn), "{inn}");
        }
        for other in [
            "",
            "7707083894",
            "500100732258",
            "500100732266", // only its last digit is right
            "77070838930",
            "abc7083893",
        ] {
            assert!(!is_inn(other), "{other}");
        }
    }
}
