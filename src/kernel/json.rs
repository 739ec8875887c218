//! JSON as others write it.
//!
//! [`tidy`] passes over what some writers put into JSON and no reader takes. [`Object`] is an object and nothing that passes
//! for one: serde takes a list for a struct too, field by field, and a document that promises an object would promise too
//! little.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A body as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tidied<'a> {
    /// The text.
    pub text: Cow<'a, [u8]>,
    /// Halves of a character beyond the first 65 536 that stood without the other half, and are U+FFFD now: a sender cut a
    /// text in the middle of an emoji.
    pub half_characters: usize,
}

/// Passes over a byte order mark, and puts U+FFFD where half a surrogate pair stands.
#[must_use]
pub fn tidy(body: &[u8]) -> Tidied<'_> {
    let mut text = body;
    while let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK) {
        text = rest.trim_ascii_start(); // some programs put one before each file that they join
    }
    let halves = half_characters(text);
    if halves.is_empty() {
        return Tidied { text: Cow::Borrowed(text), half_characters: 0 };
    }
    let mut mended = text.to_vec();
    for place in &halves {
        mended[place + 2..place + ESCAPE_BYTES].copy_from_slice(b"fffd");
    }
    Tidied { text: Cow::Owned(mended), half_characters: halves.len() }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The length of `\ud83d`, in bytes.
const ESCAPE_BYTES: usize = 6;

/// Where the escapes of surrogates begin that have no other half beside them. In JSON a backslash stands in strings alone.
fn half_characters(text: &[u8]) -> Vec<usize> {
    let mut halves = Vec::new();
    let mut place = 0;
    while let Some(found) = text.get(place..).and_then(|rest| rest.iter().position(|&byte| byte == b'\\')) {
        place += found;
        match surrogate_at(text, place) {
            Some(Surrogate::High) if surrogate_at(text, place + ESCAPE_BYTES) == Some(Surrogate::Low) => {
                place += 2 * ESCAPE_BYTES;
            }
            Some(Surrogate::High | Surrogate::Low) => {
                halves.push(place);
                place += ESCAPE_BYTES;
            }
            None => place += 2, // the sign behind a backslash begins nothing by itself
        }
    }
    halves
}

#[derive(PartialEq, Eq)]
enum Surrogate {
    High,
    Low,
}

fn surrogate_at(text: &[u8], place: usize) -> Option<Surrogate> {
    let digits = text.get(place..place + ESCAPE_BYTES)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    match (digits[0], digits[1].to_ascii_lowercase()) {
        (b'd' | b'D', b'8' | b'9' | b'a' | b'b') => Some(Surrogate::High),
        (b'd' | b'D', b'c'..=b'f') => Some(Surrogate::Low),
        _ => None,
    }
}

/// What is read of an object, and of nothing else.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Object)
    }
}

/// For a field that holds an object.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// For a field that holds an object or nothing.
pub fn some_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Object<T>>::deserialize(deserializer).map(|value| value.map(|Object(value)| value))
}

/// For a field that holds a list of objects or nothing.
pub fn some_objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let values: Option<Vec<Object<T>>> = Option::deserialize(deserializer)?;
    Ok(values.map(|values| values.into_iter().map(|Object(value)| value).collect()))
}

/// For a field that holds a list of objects.
pub fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let values: Vec<Object<T>> = Vec::deserialize(deserializer)?;
    Ok(values.into_iter().map(|Object(value)| value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Pair {
        #[serde(deserialize_with = "objects")]
        inner: Vec<One>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct One {
        number: u32,
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        for body in ["\u{feff}{}", "\u{feff}\u{feff}{}", "\u{feff}\r\n\u{feff} {}", "{}"] {
            assert_eq!(tidy(body.as_bytes()).text.as_ref(), b"{}", "{body:?}");
        }
        let inside = "{\"a\":\"\u{feff}\"}";
        assert_eq!(tidy(inside.as_bytes()).text.as_ref(), inside.as_bytes(), "within a text it is text");
    }

    #[test]
    fn half_an_emoji_becomes_the_replacement_character_where_it_stands() {
        for (body, text, halves) in [
            (r#"["Сыр \ud83d"]"#, "Сыр \u{fffd}", 1),
            (r#"["\uD83D Сыр"]"#, "\u{fffd} Сыр", 1),
            (r#"["\ude00\ud83d"]"#, "\u{fffd}\u{fffd}", 2),
            (r#"["\ud83d\ud83d\ude00"]"#, "\u{fffd}😀", 1),
            (r#"["\ud83d\ude00\ude00"]"#, "😀\u{fffd}", 1),
            (r#"["\ud83d\n"]"#, "\u{fffd}\n", 1),
            (r#"["\ud83d\\ude00"]"#, "\u{fffd}\\ude00", 1),
            (r#"["\\ud83d"]"#, "\\ud83d", 0),
            (r#"["\\\ud83d"]"#, "\\\u{fffd}", 1),
            (r#"["\ud83d\ude00"]"#, "😀", 0),
            (r#"["\u0416"]"#, "Ж", 0),
        ] {
            let tidied = tidy(body.as_bytes());
            let read: Vec<String> =
                serde_json::from_slice(&tidied.text).unwrap_or_else(|why| panic!("{body}: {why}"));
            assert_eq!((read[0].as_str(), tidied.half_characters), (text, halves), "{body}");
        }
        let named = tidy(br#"{"a\udfff":1}"#);
        let read: std::collections::BTreeMap<String, u8> = serde_json::from_slice(&named.text).expect("json");
        assert_eq!(read.keys().next().map(String::as_str), Some("a\u{fffd}"));
        for broken in [r#""\"#, r#""\u"#, r#""\ud83"#, r#""\ud83d\"#, r#"\\\"#] {
            assert_eq!(tidy(broken.as_bytes()).text.len(), broken.len(), "{broken}");
        }
    }

    #[test]
    fn a_list_is_no_object() {
        let read = |text| serde_json::from_str::<Object<Pair>>(text);
        assert_eq!(read(r#"{"inner":[{"number":1}]}"#).expect("an object").0.inner[0].number, 1);
        for text in [r#"[[{"number":1}]]"#, r#"{"inner":[[1]]}"#, "1", "null"] {
            let why = read(text).expect_err("no object").to_string();
            assert!(why.contains("expected an object"), "{why}");
        }
        let twice = read(r#"{"inner":[],"inner":[]}"#).expect_err("twice").to_string();
        assert!(twice.contains("duplicate field"), "{twice}");
    }
}
