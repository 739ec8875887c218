//! Conversion of fields to our types, with a note for each that cannot be
//! parsed.

use jiff::tz::TimeZone;

use super::{Fields, Value};
use crate::kernel::card;
use crate::kernel::text::{clean, shown_in_line};
use crate::kernel::{DecimalError, LocalTime, Money, Quantity};
use crate::orders::{OrderNote, Position, Unread};

/// The maximum number of notes per hook. More would not help a person.
const NOTES_MAX: usize = 20;

/// The maximum length of an article number or a store id, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// The maximum length of a field name chosen by the sender, in characters.
const NAME_CHARS_MAX: usize = 180;

/// Notes about what could not be parsed.
///
/// Field names are passed as closures, because a name is needed only for a
/// note, which is rare.
#[derive(Default)]
pub struct Notes(Vec<OrderNote>);

impl Notes {
    /// Adds a note, unless the limit is reached.
    pub fn add(&mut self, note: OrderNote) {
        if self.0.len() < NOTES_MAX {
            self.0.push(note);
        }
    }

    /// Returns all notes.
    pub fn into_vec(self) -> Vec<OrderNote> {
        self.0
    }

    /// Adds a note for each name that occurs more than once in the object named
    /// `object`.
    pub fn repeated(&mut self, object: &str, fields: Fields<'_>) {
        for name in fields.repeated() {
            let name = shown_in_line(&format!("{object}.{name}")).into_owned();
            let field = card::mask(&name).chars().take(NAME_CHARS_MAX).collect();
            self.add(OrderNote::FieldRepeated { field });
        }
    }

    /// Parses an identifier: a short text on one line, or the digits of a
    /// number.
    pub fn text(&mut self, field: impl Fn() -> String, value: Value<'_>) -> Option<String> {
        let text = value.text().map(|text| text.trim().to_owned());
        let usable =
            text.filter(|text| text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control));
        let usable = usable.map(|text| clean(&text).into_owned());
        if usable.is_none() {
            self.add(OrderNote::TextUnusable { field: field(), found: value.kind() });
        }
        usable
    }

    /// Splits an object into its fields.
    pub fn object<'a>(&mut self, field: &str, value: Value<'a>) -> Option<Fields<'a>> {
        let fields = value.fields();
        if fields.is_none() {
            self.add(OrderNote::NotAnObject { field: field.to_owned(), found: value.kind() });
        }
        fields
    }

    /// Parses a time. A time without an offset is in `zone`.
    pub fn time(
        &mut self,
        field: impl Fn() -> String,
        value: Option<Value<'_>>,
        zone: Option<&TimeZone>,
    ) -> Option<LocalTime> {
        let time = there(value)?.time(zone);
        if time.is_none() {
            self.add(OrderNote::TimeUnread { field: field() });
        }
        time
    }

    /// Parses a sum of money. A sum that is present but cannot be parsed sets
    /// `has_unread_sum`: a bill without it would be wrong.
    pub fn sum(
        &mut self,
        field: impl Fn() -> String,
        value: Option<Value<'_>>,
        has_unread_sum: &mut bool,
    ) -> Option<Money> {
        let sum = self.decimal(field, there(value)?, Money::from_peer);
        *has_unread_sum |= sum.is_none();
        sum
    }

    /// Parses a quantity.
    pub fn quantity(
        &mut self,
        field: impl Fn() -> String,
        value: Option<Value<'_>>,
    ) -> Option<Quantity> {
        self.decimal(field, there(value)?, Quantity::from_peer)
    }

    /// Parses the lines of an order. `read` gets a function that gives the full
    /// name of a line's field, and the fields. For a line that it cannot use it
    /// adds a note and returns none. Such lines are counted in the returned
    /// [`Unread`].
    pub fn lines(
        &mut self,
        field: &str,
        value: Value<'_>,
        read: impl Fn(&mut Notes, &dyn Fn(&str) -> String, Fields<'_>) -> Option<Position>,
    ) -> (Option<Vec<Position>>, Unread) {
        let Some(items) = value.items() else {
            self.add(OrderNote::LinesNotAList { field: field.to_owned(), found: value.kind() });
            return (None, Unread::All);
        };
        if items.is_empty() {
            self.add(OrderNote::EmptyLines { field: field.to_owned() });
        }
        let count = items.len();
        let mut positions = Vec::with_capacity(count);
        for (place, item) in items.into_iter().enumerate() {
            match item.fields() {
                Some(fields) => {
                    let name = |of_line: &str| format!("{field}[{place}].{of_line}");
                    positions.extend(read(self, &name, fields));
                }
                None => {
                    let field = format!("{field}[{place}]");
                    self.add(OrderNote::LineNotAnObject { field, found: item.kind() });
                }
            }
        }
        let unread = match u32::try_from(count - positions.len()) {
            Ok(0) => Unread::Nothing,
            Ok(lines) => Unread::Lines(lines),
            Err(_) => Unread::All,
        };
        (Some(positions), unread)
    }

    fn decimal<T>(
        &mut self,
        field: impl Fn() -> String,
        value: Value<'_>,
        read: fn(&str) -> Result<T, DecimalError>,
    ) -> Option<T> {
        let Some(text) = value.text() else {
            self.add(OrderNote::NotANumber { field: field(), found: value.kind() });
            return None;
        };
        match read(text.trim()) {
            Ok(number) => Some(number),
            Err(problem) => {
                self.add(OrderNote::NumberUnread { field: field(), problem });
                None
            }
        }
    }
}

/// Drops blank values: some senders write "none" as a string of spaces.
fn there(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !value.is_blank())
}
