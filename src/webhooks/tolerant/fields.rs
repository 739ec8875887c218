//! A JSON object as a list of unparsed fields, and the value of a field.

use std::borrow::Cow;
use std::fmt;

use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::kernel::{Fingerprint, LocalTime};
use crate::orders::JsonType;

/// The maximum depth to which values are normalized for a fingerprint. Deeper
/// ones count byte by byte.
const CANONICAL_DEPTH_MAX: u32 = 16;

/// The unparsed fields of an object, in their original order.
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Splits an object into its fields.
    pub fn parse(json: &'a str) -> Result<Fields<'a>, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The value of a field that is present and not null. If a name occurs
    /// several times, the last one counts, as in most parsers;
    /// [`Fields::repeated`] lists such names.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        let value =
            self.0.iter().rev().find(|(field, _)| field == name).map(|(_, value)| Value(value));
        value.filter(|value| value.0.get() != "null")
    }

    /// The names that occur more than once.
    pub fn repeated(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        let mut repeated: Vec<&str> =
            names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        repeated.dedup();
        repeated
    }

    /// A fingerprint of all fields except `names`. It does not depend on
    /// whitespace or the order of fields. None if there are no other fields.
    pub fn fingerprint_without(&self, names: &[&str]) -> Option<Fingerprint> {
        let others = self.others(names);
        let mut canonical = Vec::new();
        for (name, value) in &others {
            value.write_canonically(name, CANONICAL_DEPTH_MAX, &mut canonical);
        }
        (!others.is_empty()).then(|| Fingerprint::of(&[&canonical]))
    }

    /// All fields except `names`, sorted by name.
    fn others(&self, names: &[&str]) -> Vec<(&str, Value<'a>)> {
        let mut others: Vec<(&str, Value<'a>)> = self
            .0
            .iter()
            .map(|(name, value)| (&**name, Value(value)))
            .filter(|(name, _)| !names.contains(name))
            .collect();
        others.sort_by_key(|(name, _)| *name);
        others
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'de>, D::Error> {
        struct Split;
        impl<'de> Visitor<'de> for Split {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(Name(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Split)
    }
}

/// The name of a field. It is borrowed if it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'de>, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// An unparsed value.
#[derive(Clone, Copy)]
pub struct Value<'a>(&'a RawValue);

impl<'a> Value<'a> {
    /// A string, or the digits of a number. Sources disagree on the type of
    /// ids.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let json = self.0.get();
        match json.as_bytes().first()? {
            b'"' => match serde_json::from_str::<Name<'a>>(json) {
                Ok(Name(text)) => Some(text),
                Err(_) => None,
            },
            b'-' | b'0'..=b'9' => Some(Cow::Borrowed(json)),
            _ => None,
        }
    }

    /// Parses a time. A time without an offset is in `zone`.
    pub fn time(self, zone: Option<&TimeZone>) -> Option<LocalTime> {
        LocalTime::read(&self.text()?, zone)
    }

    /// Whether the value is an empty string or a string of spaces, which some
    /// senders use for "none".
    pub fn is_blank(self) -> bool {
        self.0.get().starts_with('"') && self.text().is_some_and(|text| text.trim().is_empty())
    }

    /// Splits an object into its fields. None for other types.
    pub fn fields(self) -> Option<Fields<'a>> {
        Fields::parse(self.0.get()).ok()
    }

    /// The items of a list. If an item was removed from an array in PHP, PHP
    /// writes the list as an object with the indices as names: `{"0":…,"2":…}`.
    pub fn items(self) -> Option<Vec<Value<'a>>> {
        if let Some(fields) = self.fields() {
            let place = |(name, value): (Cow<'a, str>, &'a RawValue)| {
                Some((name.parse::<u64>().ok()?, Value(value)))
            };
            let mut items = fields.0.into_iter().map(place).collect::<Option<Vec<_>>>()?;
            items.sort_by_key(|(place, _)| *place);
            return Some(items.into_iter().map(|(_, item)| item).collect());
        }
        let items: Vec<&'a RawValue> = serde_json::from_str(self.0.get()).ok()?;
        Some(items.into_iter().map(Value).collect())
    }

    /// Writes `name` and the value so that equal values give equal bytes,
    /// whatever their whitespace, escapes and order of fields. Values that
    /// cannot be parsed (half of a surrogate pair), and those deeper than
    /// `depth`, are written byte by byte.
    fn write_canonically(self, name: &str, depth: u32, into: &mut Vec<u8>) {
        let mut text = |tag: u8, text: &str| {
            into.extend_from_slice(&(text.len() as u64).to_be_bytes());
            into.push(tag);
            into.extend_from_slice(text.as_bytes());
        };
        text(b'n', name);
        let json = self.0.get();
        match json.as_bytes().first() {
            Some(b'"') => match self.text() {
                Some(string) => text(b's', &string),
                None => text(b'r', json),
            },
            Some(b'{') if depth > 0 => match self.fields() {
                Some(fields) => {
                    let fields = fields.others(&[]);
                    into.push(b'{');
                    fields
                        .iter()
                        .for_each(|(name, value)| value.write_canonically(name, depth - 1, into));
                    into.push(b'}');
                }
                None => text(b'r', json),
            },
            Some(b'[') if depth > 0 => match self.items() {
                Some(items) => {
                    into.push(b'[');
                    items.iter().for_each(|item| item.write_canonically("", depth - 1, into));
                    into.push(b']');
                }
                None => text(b'r', json),
            },
            Some(_) | None => text(b'r', json),
        }
    }

    /// The type of the value, by its first byte, for notes. A note never has
    /// more of the value, because it may be personal data.
    pub fn kind(self) -> JsonType {
        match self.0.get().as_bytes().first() {
            Some(b'"') => JsonType::String,
            Some(b'{') => JsonType::Object,
            Some(b'[') => JsonType::List,
            Some(b't' | b'f') => JsonType::Boolean,
            Some(b'n') => JsonType::Null,
            _ => JsonType::Number,
        }
    }
}
