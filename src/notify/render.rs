//! The texts of messages to pickers.

use std::borrow::Cow;
use std::fmt::Write;

use crate::kernel::ExternalId;
use crate::kernel::text::{clean, shown_in_line};
use crate::orders::{
    Announcement, Content, Difference, Position, PositionChange, State, Unread, Window,
};
use crate::outbox::MessageId;
use crate::texts::{Language, PickerWords, picker_words};

/// The order that a message is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The marketplace's number of the order, which is printed on the bag.
    pub external_id: &'a ExternalId,
    /// The id of the message. It is shown under the text, so that people
    /// recognise a duplicate.
    pub message: MessageId,
}

/// The maximum length of a text in UTF-16 units. Telegram accepts up to 4096;
/// the difference is reserved for the lines at the end.
const TEXT_UNITS_MAX: usize = 3900;

/// The maximum length of an article's name in a message, in characters.
const NAME_CHARS_MAX: usize = 80;

/// Renders the text of a message.
#[must_use]
pub fn render(language: Language, subject: Subject<'_>, announcement: &Announcement) -> String {
    let words = Words(language);
    let (head, lines, tail) = match announcement {
        Announcement::New(content) => {
            let lines = content
                .positions
                .iter()
                .enumerate()
                .map(|(place, line)| words.position(place + 1, line));
            (words.new_order(subject, content), lines.collect(), words.totals(content))
        }
        Announcement::WithoutLines { store_id } => {
            (words.without_lines(subject, store_id), Vec::new(), String::new())
        }
        Announcement::Changed { store_id, difference, already } => {
            let lines = difference.positions.iter().map(|change| words.change(change)).collect();
            (words.changed(subject, store_id, difference, *already), lines, String::new())
        }
        Announcement::Cancelled { store_id } => {
            (words.cancelled(subject, store_id), Vec::new(), String::new())
        }
    };
    let foot = format!("№ {}", subject.message);
    assemble(&words, head, &lines, &tail, &foot)
}

/// Joins the parts. Lines that do not fit are replaced by their number.
fn assemble(words: &Words, mut text: String, lines: &[String], tail: &str, foot: &str) -> String {
    let units = |text: &str| text.encode_utf16().count();
    let mut used = units(&text) + units(tail) + units(foot);
    for (place, line) in lines.iter().enumerate() {
        used += units(line) + 1;
        if used > TEXT_UNITS_MAX {
            text.push('\n');
            text.push_str(&words.and_more(lines.len() - place));
            break;
        }
        text.push('\n');
        text.push_str(line);
    }
    for part in [tail, foot] {
        if !part.is_empty() {
            text.push('\n');
            text.push_str(part);
        }
    }
    text
}

fn window(window: Window) -> Option<String> {
    let day = |time: jiff::civil::DateTime| format!("{:02}.{:02}", time.day(), time.month());
    let hour = |time: jiff::civil::DateTime| format!("{:02}:{:02}", time.hour(), time.minute());
    match (window.from.map(|time| time.on_the_wall()), window.to.map(|time| time.on_the_wall())) {
        (Some(from), Some(to)) if from.date() == to.date() => {
            Some(format!("{}, {}–{}", day(from), hour(from), hour(to)))
        }
        (Some(from), Some(to)) => {
            Some(format!("{} {} – {} {}", day(from), hour(from), day(to), hour(to)))
        }
        (Some(one), None) | (None, Some(one)) => Some(format!("{}, {}", day(one), hour(one))),
        (None, None) => None,
    }
}

/// The name and article number of an order line, on a single line whatever
/// characters the sender's name has.
fn article(words: &Words, name: Option<&str>, sku: &str) -> String {
    let (sku, article) = (shortened(sku), words.of().article);
    match name {
        Some(name) => format!("{} ({article} {sku})", shortened(name)),
        None => format!("{article} {sku}"),
    }
}

fn shortened(text: &str) -> Cow<'_, str> {
    let clean = clean(text);
    match clean.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(clean[..end].to_owned()),
        None => clean,
    }
}

/// Builds texts from the words of a language.
struct Words(Language);

impl Words {
    fn of(&self) -> &'static PickerWords {
        picker_words(self.0)
    }

    fn store(&self, store_id: &str) -> String {
        if store_id.is_empty() {
            self.of().no_store.to_owned()
        } else {
            format!("{} {}", self.of().store, shown_in_line(store_id))
        }
    }

    fn new_order(&self, subject: Subject<'_>, content: &Content) -> String {
        let mut text =
            format!("🆕 {} {}", self.of().new_order, shown_in_line(subject.external_id.as_str()));
        let _ = write!(text, "\n{}", self.store(&content.store_id));
        if let Some(window) = content.window.and_then(window) {
            let _ = write!(text, " · {} {window}", self.of().due);
        }
        if let Some(warning) = self.unread(content.unread) {
            let _ = write!(text, "\n{warning}");
        }
        text
    }

    fn without_lines(&self, subject: Subject<'_>, store_id: &str) -> String {
        format!(
            "⚠️ {} {}\n{}\n{}",
            self.of().came_without_lines,
            shown_in_line(subject.external_id.as_str()),
            self.store(store_id),
            self.of().nothing_to_pick,
        )
    }

    /// A warning about lines that could not be parsed.
    fn unread(&self, unread: Unread) -> Option<String> {
        let check = self.of().check;
        match unread {
            Unread::Nothing => None,
            Unread::Lines(count) => Some(format!("{} {count}, {check}", self.of().unread_lines)),
            Unread::All => Some(format!("{}, {check}", self.of().unread_all)),
        }
    }

    fn position(&self, place: usize, position: &Position) -> String {
        let article = article(self, position.name.as_deref(), &position.sku);
        let mut line = match (position.quantity, position.original_quantity) {
            (Some(quantity), _) => format!("{place}. {article} × {quantity}"),
            (None, Some(ordered)) => {
                let (mark, was) = (self.of().unread_quantity, self.of().ordered);
                format!("{place}. {article} × ? {mark} ({was} {ordered})")
            }
            (None, None) => format!("{place}. {article} × ? {}", self.of().unread_quantity),
        };
        if let Some(weight) = position.weight_grams {
            let _ = write!(line, ", {weight} {}", self.of().grams);
        }
        if let Some(by) = &position.replaced_by {
            let _ = write!(line, " → {} {}", self.of().replaced_by, shown_in_line(by));
        }
        line
    }

    fn totals(&self, content: &Content) -> String {
        let count = content.positions.len();
        let mut text = format!("{}: {count}", self.of().lines);
        if let Some(total) = content.sums.discount_total.or(content.sums.total) {
            let _ = write!(text, " · {} {}", self.of().total, total.shown(self.0));
        }
        text
    }

    fn changed(
        &self,
        subject: Subject<'_>,
        store_id: &str,
        difference: &Difference,
        already: Option<State>,
    ) -> String {
        let mut text =
            format!("✏️ {} {}", self.of().changed, shown_in_line(subject.external_id.as_str()));
        let _ = write!(text, "\n{}", self.store(store_id));
        if let Some(to) = &difference.store_id {
            let _ = write!(text, "\n{}: {}", self.of().now_picked_by, self.store(to));
        }
        if let Some(window) = difference.window.and_then(window) {
            let _ = write!(text, "\n{}: {window}", self.of().new_time);
        }
        if let Some(warning) = difference.unread.and_then(|unread| self.unread(unread)) {
            let _ = write!(text, "\n{warning}");
        }
        if let Some(state) = already {
            let warning = self.of().came_late;
            let _ = write!(text, "\n{warning} {}", (self.of().state)(state));
        }
        text
    }

    fn change(&self, change: &PositionChange) -> String {
        let article = article(self, change.name.as_deref(), &change.sku);
        let none = crate::kernel::Quantity::ZERO;
        let mut line = if change.is_unread {
            format!("• {article}: {} → ? {}", change.from, self.of().unread_quantity)
        } else if change.from == none {
            format!("➕ {article} × {}", change.to)
        } else if change.to == none {
            format!("➖ {article} × {}", change.from)
        } else {
            format!("• {article}: {} → {}", change.from, change.to)
        };
        if let Some(by) = &change.replaced_by {
            let _ = write!(line, " → {} {}", self.of().replaced_by, shown_in_line(by));
        }
        line
    }

    fn cancelled(&self, subject: Subject<'_>, store_id: &str) -> String {
        format!(
            "❌ {} {}\n{}\n{}",
            self.of().cancelled,
            shown_in_line(subject.external_id.as_str()),
            self.store(store_id),
            self.of().put_back,
        )
    }

    fn and_more(&self, count: usize) -> String {
        let [before, after] = self.of().and_more;
        format!("{before}{count}{after}")
    }
}
