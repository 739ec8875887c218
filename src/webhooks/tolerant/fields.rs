//! A JSON object as a list of unparsed fields, and the value of a field.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::scan::Node;
use crate::kernel::{Fingerprint, LocalTime};
use crate::orders::JsonType;

/// The maximum depth to which values are normalized for a fingerprint. Deeper
/// ones count byte by byte.
const CANONICAL_DEPTH_MAX: u32 = 16;

/// Up to this many names are compared with one another, which is faster than
/// sorting them.
const FEW_FIELDS_MAX: usize = 24;

/// The unparsed fields of an object, in their original order.
#[derive(Clone, Copy)]
pub struct Fields<'a>(Value<'a>);

impl<'a> Fields<'a> {
    /// The fields of a value that is an object.
    pub(super) fn of(object: Value<'a>) -> Fields<'a> {
        Fields(object)
    }

    /// The value of a field that is present and not null. If a name occurs
    /// several times, the last one counts, as in most parsers;
    /// [`Fields::repeated`] lists such names.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        // Written out, because a hook has dozens of look-ups: only a field that
        // is found becomes a value.
        let Fields(object @ Value { nodes, .. }) = self;
        let (mut at, end) = (object.number + 1, place(object.node.after));
        let mut found = None;
        while at < end
            && let (Some(field), Some(value)) = (nodes.get(at), nodes.get(at + 1))
        {
            if object.is_name(field, name) {
                found = Some(Value { node: *value, number: at + 1, ..object });
            }
            at = place(value.after);
        }
        found.filter(|value| value.json() != "null")
    }

    /// The names and values.
    fn iter(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let mut members = self.0.members();
        std::iter::from_fn(move || Some((members.next()?, members.next()?)))
    }

    /// The names that occur more than once.
    pub fn repeated(self) -> Vec<Cow<'a, str>> {
        if !self.may_repeat() {
            return Vec::new();
        }
        let mut names: Vec<Cow<'a, str>> = self.iter().map(|(name, _)| name.name()).collect();
        names.sort_unstable();
        let pairs = names.windows(2).filter(|pair| pair[0] == pair[1]);
        let mut repeated: Vec<Cow<'a, str>> = pairs.map(|pair| pair[0].clone()).collect();
        repeated.dedup();
        repeated
    }

    /// Whether a name may occur more than once. The answer is exact for few
    /// fields without escapes, as nearly all objects are.
    fn may_repeat(self) -> bool {
        let mut names = self.iter().map(|(name, _)| name);
        let mut earlier = [""; FEW_FIELDS_MAX];
        let mut count = 0;
        names.any(|name| {
            let text = name.quoted();
            let is_known =
                count == FEW_FIELDS_MAX || name.node.is_escaped || earlier[..count].contains(&text);
            if !is_known {
                earlier[count] = text;
                count += 1;
            }
            is_known
        })
    }

    /// A fingerprint of all fields except `names`. It does not depend on
    /// whitespace or the order of fields. None if there are no other fields.
    pub fn fingerprint_without(self, names: &[&str]) -> Option<Fingerprint> {
        let others = self.others(names);
        let mut canonical = Vec::new();
        for (name, value) in &others {
            value.write_canonically(name, CANONICAL_DEPTH_MAX, &mut canonical);
        }
        (!others.is_empty()).then(|| Fingerprint::of(&[&canonical]))
    }

    /// All fields except `names`, sorted by name.
    fn others(self, names: &[&str]) -> Vec<(Cow<'a, str>, Value<'a>)> {
        let mut others: Vec<(Cow<'a, str>, Value<'a>)> = self
            .iter()
            .map(|(name, value)| (name.name(), value))
            .filter(|(name, _)| !names.contains(&&**name))
            .collect();
        others.sort_by(|(name, _), (other, _)| name.cmp(other));
        others
    }
}

/// A place in a text or among its nodes.
fn place(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// An unparsed value, or the name of a field.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    text: &'a str,
    nodes: &'a [Node],
    node: Node,
    /// Its number among the nodes.
    number: usize,
}

impl<'a> Value<'a> {
    /// The first value of a text that was scanned, which is all of it.
    pub(super) fn first_of(text: &'a str, nodes: &'a [Node], node: Node) -> Value<'a> {
        Value { text, nodes, node, number: 0 }
    }

    /// The text of the value.
    fn json(self) -> &'a str {
        self.text.get(place(self.node.start)..place(self.node.end)).unwrap_or_default()
    }

    fn first(self) -> u8 {
        self.json().as_bytes().first().copied().unwrap_or_default()
    }

    /// The items of a list, or the names and values of an object.
    fn members(self) -> impl Iterator<Item = Value<'a>> {
        let (mut number, end) = (self.number + 1, place(self.node.after));
        std::iter::from_fn(move || {
            let node = *self.nodes.get(number).filter(|_| number < end)?;
            let member = Value { node, number, ..self };
            number = place(node.after);
            Some(member)
        })
    }

    /// The text within the quotes of a string.
    fn quoted(self) -> &'a str {
        self.json().get(1..).and_then(|rest| rest.strip_suffix('"')).unwrap_or_default()
    }

    /// Whether `field`, a field of this object, has this name.
    fn is_name(self, field: &Node, name: &str) -> bool {
        if field.is_escaped {
            return Value { node: *field, ..self }.name() == name;
        }
        // Nearly all names differ in their length: that is compared first.
        let (start, end) = (place(field.start), place(field.end));
        end.wrapping_sub(start) == name.len() + 2
            && self.text.as_bytes().get(start + 1..end - 1) == Some(name.as_bytes())
    }

    /// A field's name. Escapes that cannot be read stay as they are.
    fn name(self) -> Cow<'a, str> {
        self.text().unwrap_or(Cow::Borrowed(self.quoted()))
    }

    /// A string, or the digits of a number. Sources disagree on the type of
    /// ids.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self.first() {
            b'"' if self.node.is_escaped => serde_json::from_str(self.json()).ok().map(Cow::Owned),
            b'"' => Some(Cow::Borrowed(self.quoted())),
            b'-' | b'0'..=b'9' => Some(Cow::Borrowed(self.json())),
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
        self.json().starts_with('"') && self.text().is_some_and(|text| text.trim().is_empty())
    }

    /// The fields of an object. None for other types.
    pub fn fields(self) -> Option<Fields<'a>> {
        (self.first() == b'{').then_some(Fields(self))
    }

    /// The items of a list. If an item was removed from an array in PHP, PHP
    /// writes the list as an object with the indices as names: `{"0":…,"2":…}`.
    pub fn items(self) -> Option<Vec<Value<'a>>> {
        if let Some(fields) = self.fields() {
            let place = |(name, value): (Value<'a>, Value<'a>)| {
                Some((name.name().parse::<u64>().ok()?, value))
            };
            let mut items = fields.iter().map(place).collect::<Option<Vec<_>>>()?;
            items.sort_by_key(|(place, _)| *place);
            return Some(items.into_iter().map(|(_, item)| item).collect());
        }
        (self.first() == b'[').then(|| self.members().collect())
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
        let json = self.json();
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
        match self.json().as_bytes().first() {
            Some(b'"') => JsonType::String,
            Some(b'{') => JsonType::Object,
            Some(b'[') => JsonType::List,
            Some(b't' | b'f') => JsonType::Boolean,
            Some(b'n') => JsonType::Null,
            _ => JsonType::Number,
        }
    }
}
