//! Fields as values of ours, with a note of each that cannot be read.

use jiff::tz::TimeZone;

use super::{Fields, Value};
use crate::kernel::card;
use crate::kernel::text::{clean, shown_in_line};
use crate::kernel::{DecimalError, LocalTime, Money, Quantity};
use crate::orders::{OrderNote, Position, Unread};

/// The most notes that one hook leaves: a person needs no more to see that it is odd.
const NOTES_MAX: usize = 20;

/// The longest article or shop number that is taken, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// The longest name of a field that is the sender's choice, in characters.
const NAME_CHARS_MAX: usize = 180;

/// What was not understood.
///
/// The names of fields are closures: a name is made when there is something to note, which is nearly never.
#[derive(Default)]
pub struct Notes(Vec<OrderNote>);

impl Notes {
    /// Adds a note, unless there are enough.
    pub fn add(&mut self, note: OrderNote) {
        if self.0.len() < NOTES_MAX {
            self.0.push(note);
        }
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<OrderNote> {
        self.0
    }

    /// Notes the names that occur more than once in the object called `object`.
    pub fn repeated(&mut self, object: &str, fields: &Fields<'_>) {
        for name in fields.repeated() {
            let name = shown_in_line(&format!("{object}.{name}")).into_owned();
            let field = card::mask(&name).chars().take(NAME_CHARS_MAX).collect();
            self.add(OrderNote::FieldRepeated { field });
        }
    }

    /// An identifier: a short text on one line, or a number's digits.
    pub fn text(&mut self, field: impl Fn() -> String, value: Value<'_>) -> Option<String> {
        let text = value.text().map(|text| text.trim().to_owned());
        let usable = text.filter(|text| text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control));
        let usable = usable.map(|text| clean(&text).into_owned());
        if usable.is_none() {
            self.add(OrderNote::TextUnusable { field: field(), found: value.kind() });
        }
        usable
    }

    /// An object's fields.
    pub fn object<'a>(&mut self, field: &str, value: Value<'a>) -> Option<Fields<'a>> {
        let fields = value.fields();
        if fields.is_none() {
            self.add(OrderNote::NotAnObject { field: field.to_owned(), found: value.kind() });
        }
        fields
    }

    /// A time, in `zone` if it names no offset.
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

    /// A sum of money. One that is there and cannot be read sets `has_unread_sum`: a bill without it would be wrong.
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

    /// A quantity.
    pub fn quantity(&mut self, field: impl Fn() -> String, value: Option<Value<'_>>) -> Option<Quantity> {
        self.decimal(field, there(value)?, Quantity::from_peer)
    }

    /// An order's lines. `read` gets the names of a line's fields and the fields; it returns none, and adds a note, for a
    /// line that it cannot use. Such lines are counted.
    pub fn lines(
        &mut self,
        field: &str,
        value: Value<'_>,
        read: impl Fn(&mut Notes, &dyn Fn(&str) -> String, &Fields<'_>) -> Option<Position>,
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
                    positions.extend(read(self, &name, &fields));
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

/// A value that says something: some senders write "none" as a text of spaces.
fn there(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !value.is_blank())
}
