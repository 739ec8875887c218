//! Reads JSON as other programs write it.
//!
//! [`tidy`] removes or replaces what some writers produce and JSON parsers
//! refuse. [`Object`] accepts only a JSON object. serde also reads a struct
//! from a list, field by field, so without it more would be accepted than the
//! documented API promises.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

/// A body that a JSON parser can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanJson<'a> {
    pub text: Cow<'a, [u8]>,
    /// How many halves of a character beyond the first 65 536 had no other half
    /// and were replaced by U+FFFD. It happens when a sender cuts a text in the
    /// middle of an emoji.
    pub half_characters: usize,
}

/// Removes byte order marks, and replaces each unpaired half of a surrogate
/// pair, and each incomplete UTF-8 sequence of an emoji, with U+FFFD.
#[must_use]
pub fn tidy(body: &[u8]) -> CleanJson<'_> {
    let mut text = body.trim_ascii_start();
    while let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK) {
        text = rest.trim_ascii_start(); // some programs put one before each file they join
    }
    let (text, cut) = match std::str::from_utf8(text) {
        Ok(_) => (Cow::Borrowed(text), 0),
        Err(_) => repair_bytes(text),
    };
    let halves = half_characters(&text);
    if halves.is_empty() {
        return CleanJson { text, half_characters: cut };
    }
    let mut repaired = text.into_owned();
    for place in &halves {
        repaired[place + 2..place + ESCAPE_BYTES].copy_from_slice(b"fffd");
    }
    CleanJson { text: Cow::Owned(repaired), half_characters: cut + halves.len() }
}

/// Replaces invalid UTF-8 that comes from cutting a text within an emoji: the
/// halves of a surrogate pair written as bytes, and the first bytes of a
/// four-byte character. Any other invalid UTF-8, such as text in another
/// encoding, is returned unchanged.
fn repair_bytes(text: &[u8]) -> (Cow<'_, [u8]>, usize) {
    const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
    let (mut repaired, mut cut) = (Vec::with_capacity(text.len()), 0);
    for chunk in Chunks(text) {
        match chunk {
            Chunk::Text(valid) => repaired.extend_from_slice(valid),
            Chunk::Pair(character) => {
                repaired.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes())
            }
            Chunk::Half => {
                repaired.extend_from_slice(REPLACEMENT);
                cut += 1;
            }
            Chunk::Foreign => return (Cow::Borrowed(text), 0),
        }
    }
    (Cow::Owned(repaired), cut)
}

enum Chunk<'a> {
    Text(&'a [u8]),
    /// An emoji written as the two halves of its surrogate pair.
    Pair(char),
    Half,
    Foreign,
}

struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let valid = match std::str::from_utf8(self.0) {
            Ok(_) if self.0.is_empty() => return None,
            Ok(_) => self.0.len(),
            Err(why) => why.valid_up_to(),
        };
        if valid > 0 {
            let (text, rest) = self.0.split_at(valid);
            self.0 = rest;
            return Some(Chunk::Text(text));
        }
        let (chunk, length) = match (surrogate_in(self.0), self.0.get(3..).and_then(surrogate_in)) {
            (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..)) => {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(code).map_or(Chunk::Half, Chunk::Pair), 6)
            }
            (Some(_), _) => (Chunk::Half, 3),
            (None, _) => match begun_character(self.0) {
                Some(length) => (Chunk::Half, length),
                None => (Chunk::Foreign, self.0.len()),
            },
        };
        self.0 = &self.0[length..];
        Some(chunk)
    }
}

/// Half of a surrogate pair, encoded in three bytes.
fn surrogate_in(bytes: &[u8]) -> Option<u32> {
    match *bytes {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] => {
            Some(0xd000 | (u32::from(second & 0x3f) << 6) | u32::from(third & 0x3f))
        }
        _ => None,
    }
}

/// How many bytes are present of a four-byte character that was cut off. `None`
/// if it is something else.
fn begun_character(bytes: &[u8]) -> Option<usize> {
    let is_next = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, 0x80..=0xbf));
    let begins = match *bytes {
        [0xf0, second, ..] => (0x90..=0xbf).contains(&second),
        [0xf1..=0xf3, second, ..] => (0x80..=0xbf).contains(&second),
        [0xf4, second, ..] => (0x80..=0x8f).contains(&second),
        _ => false,
    };
    begins.then(|| if is_next(bytes.get(2)) { 3 } else { 2 })
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The length of `\ud83d`, in bytes.
const ESCAPE_BYTES: usize = 6;

/// The positions of escaped surrogates without their other half. In JSON, a
/// backslash occurs only in strings.
fn half_characters(text: &[u8]) -> Vec<usize> {
    let mut halves = Vec::new();
    let mut place = 0;
    while let Some(found) = text.get(place..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        place += found;
        match surrogate_at(text, place) {
            Some(Surrogate::High)
                if surrogate_at(text, place + ESCAPE_BYTES) == Some(Surrogate::Low) =>
            {
                place += 2 * ESCAPE_BYTES;
            }
            Some(Surrogate::High | Surrogate::Low) => {
                halves.push(place);
                place += ESCAPE_BYTES;
            }
            None => place += 2, // the character after a backslash begins no escape itself
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

/// Deserializes from a JSON object only.
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

/// Deserializes a field that holds an object.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// Deserializes a field that holds an object or null.
pub fn some_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Object<T>>::deserialize(deserializer).map(|value| value.map(|Object(value)| value))
}

/// A list of objects. PHP writes a list from which an element was removed as an
/// object whose names are the indexes: `{"0":…,"2":…}`.
struct Objects<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Objects<T>, D::Error> {
        struct Items<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
                let mut read = Vec::new();
                while let Some(Object(item)) = items.next_element()? {
                    read.push(item);
                }
                Ok(read)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
                let mut read = BTreeMap::new();
                while let Some(name) = items.next_key::<Cow<'de, str>>()? {
                    let place = name.parse::<u64>();
                    let place =
                        place.map_err(|_| Error::invalid_type(Unexpected::Map, &"a list"))?;
                    let Object(item) = items.next_value()?;
                    if read.insert(place, item).is_some() {
                        return Err(Error::custom(format_args!("the index {place} occurs twice")));
                    }
                }
                Ok(read.into_values().collect())
            }
        }

        deserializer.deserialize_any(Items(PhantomData)).map(Objects)
    }
}

/// Deserializes a field that holds a list of objects or null.
pub fn some_objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let values: Option<Objects<T>> = Option::deserialize(deserializer)?;
    Ok(values.map(|Objects(values)| values))
}

/// Deserializes a field that holds a list of objects.
pub fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Objects::deserialize(deserializer).map(|Objects(values)| values)
}

#[cfg(test)]
mod tests;
