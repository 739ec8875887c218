//! Text of others, made safe to show to people.
//!
//! Some characters act instead of being shown: a terminal executes them, or
//! they change how the rest of a line reads. Names are cleaned of them on
//! arrival ([`clean`]); other text is escaped where it is shown ([`shown`]).

use std::borrow::Cow;
use std::fmt::Write;

use super::card;

/// Whether a character acts instead of being shown: control characters, line
/// and paragraph separators, marks that change the reading direction, and
/// characters without width. The joiners of emoji, and of scripts that need
/// them, are excluded.
#[must_use]
pub fn is_obeyed(c: char) -> bool {
    c.is_control() || breaks_line(c) || is_invisible(c)
}

fn breaks_line(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// `text` on one line, without characters that act: line breaks and control
/// characters become spaces, invisible characters are removed.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let visible = text.chars().filter(|c| !is_invisible(*c));
    Cow::Owned(visible.map(|c| if is_obeyed(c) { ' ' } else { c }).collect())
}

/// Like [`clean`], for a text of several lines: line feeds and tabs stay.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    text.split('\n')
        .map(|line| {
            line.trim_end_matches('\r').split('\t').map(clean).collect::<Vec<_>>().join("\t")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Free text of a person, as it is stored and sent on: on one line, with card
/// numbers masked.
#[must_use]
pub fn free_text(text: &str) -> String {
    card::mask(&clean(text)).into_owned()
}

/// Like [`free_text`], for several lines.
#[must_use]
pub fn free_lines(text: &str) -> String {
    card::mask(&clean_lines(text)).into_owned()
}

/// `text` with every character that acts escaped as in Rust string literals.
/// Line feeds stay.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| c != '\n' && is_obeyed(c),
        |c, into| {
            let _ = write!(into, "{}", c.escape_default());
        },
    )
}

/// Like [`shown`], for text within a line: line feeds are escaped too.
#[must_use]
pub fn shown_in_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed, |c, into| {
        let _ = write!(into, "{}", c.escape_default());
    })
}

/// Like [`shown`], for a coloured line: the escape sequences of its colours,
/// which are ASCII, stay.
#[must_use]
pub fn shown_in_colours(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| !c.is_ascii() && is_obeyed(c),
        |c, into| {
            let _ = write!(into, "{}", c.escape_default());
        },
    )
}

/// JSON with the same meaning, in which every character that acts is escaped.
/// Line feeds between its parts stay.
#[must_use]
pub fn shown_json(json: &str) -> Cow<'_, str> {
    escaped(
        json,
        |c| c != '\n' && is_obeyed(c),
        |c, into| {
            // Outside strings, JSON has no such characters.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(into, "\\u{unit:04x}");
            }
        },
    )
}

fn escaped(
    text: &str,
    is_escaped: fn(char) -> bool,
    escape: fn(char, &mut String),
) -> Cow<'_, str> {
    let Some(first) = text.find(is_escaped) else { return Cow::Borrowed(text) };
    let (before, rest) = text.split_at(first);
    let mut whole = String::with_capacity(text.len() + 16);
    whole.push_str(before);
    for c in rest.chars() {
        if is_escaped(c) {
            escape(c, &mut whole);
        } else {
            whole.push(c);
        }
    }
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAUGHTY: &str = "Сыр\u{1b}[2J\u{7}\u{202e}x\u{2028}❌ \u{9b}31m\u{200b}\u{feff}";

    #[test]
    fn no_character_that_acts_is_left() {
        assert_eq!(clean(NAUGHTY), "Сыр [2J x ❌  31m");
        assert_eq!(
            shown(NAUGHTY),
            "Сыр\\u{1b}[2J\\u{7}\\u{202e}x\\u{2028}❌ \\u{9b}31m\\u{200b}\\u{feff}"
        );
        for text in [clean(NAUGHTY), shown(NAUGHTY), shown_in_line("a\nb"), shown_json(NAUGHTY)] {
            assert!(!text.contains(is_obeyed), "{text:?}");
        }
    }

    #[test]
    fn unusual_but_harmless_characters_stay() {
        for text in ["Молоко 3,2 %", "👨\u{200d}👩\u{200d}👧", "می\u{200c}خواهم", "a\u{a0}b", ""]
        {
            assert_eq!((&*clean(text), &*shown(text)), (text, text));
        }
        assert_eq!(
            (&*shown("two\nlines"), &*shown_in_line("two\nlines")),
            ("two\nlines", "two\\nlines")
        );
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let value = serde_json::json!({"name": NAUGHTY, "list": [1, "\u{7f}"]});
        let text = serde_json::to_string_pretty(&value).expect("it serializes");
        let back: serde_json::Value =
            serde_json::from_str(&shown_json(&text)).expect("it is still JSON");
        assert_eq!(back, value);
    }
}
