//! Splits JSON into its values, in one pass and without converting any.
//!
//! It accepts what `serde_json` accepts, which a test compares. Text nested
//! however deeply needs no recursion.

/// A value, or the name of a field, in the scanned text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    /// Where it begins in the text, in bytes.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// The number of the node after all that is in it. The nodes of a list are
    /// its items; those of an object are names and values, in turn.
    pub after: u32,
    /// Whether it is a string with escapes.
    pub is_escaped: bool,
}

/// The values of a text that is one value; none if it is not JSON. A text has
/// at most 4 GiB.
pub(super) fn scan(text: &str) -> Option<Vec<Node>> {
    let scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
        nodes: Vec::with_capacity(text.len() / 12),
        open: Vec::new(),
    };
    scanner.run()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The objects and lists around the current value, by their numbers.
    open: Vec<usize>,
}

impl Scanner<'_> {
    fn run(mut self) -> Option<Vec<Node>> {
        u32::try_from(self.bytes.len()).ok()?;
        loop {
            // A value, or the beginning of one.
            let is_begun = self.begin_value()?;
            if is_begun {
                continue;
            }
            // After a value: what is around it ends or continues.
            loop {
                let Some(&around) = self.open.last() else {
                    return (self.next().is_none()).then_some(self.nodes);
                };
                let is_object = self.bytes[self.start_of(around)] == b'{';
                match (self.next()?, is_object) {
                    (b',', _) => {
                        self.at += 1;
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        self.open.pop();
                        self.end(around);
                    }
                    (_, _) => return None,
                }
            }
        }
    }

    /// Scans a value. Returns whether it is an object or a list whose first
    /// value comes next.
    fn begin_value(&mut self) -> Option<bool> {
        let first = self.next()?;
        let number = self.begin();
        match first {
            b'{' | b'[' => {
                self.at += 1;
                if self.next()? == first + 2 {
                    self.at += 1; // `}` or `]`
                    self.end(number);
                    return Some(false);
                }
                self.open.push(number);
                if first == b'{' {
                    self.name()?;
                }
                return Some(true);
            }
            b'"' => self.nodes[number].is_escaped = self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            _ => return None,
        }
        self.end(number);
        Some(false)
    }

    /// Scans a field's name and its colon.
    fn name(&mut self) -> Option<()> {
        if self.next()? != b'"' {
            return None;
        }
        let number = self.begin();
        self.nodes[number].is_escaped = self.string()?;
        self.end(number);
        if self.next()? != b':' {
            return None;
        }
        self.at += 1;
        Some(())
    }

    fn begin(&mut self) -> usize {
        let start = u32::try_from(self.at).unwrap_or(u32::MAX);
        self.nodes.push(Node { start, end: start, after: 0, is_escaped: false });
        self.nodes.len() - 1
    }

    fn end(&mut self, number: usize) {
        let after = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let node = &mut self.nodes[number];
        (node.end, node.after) = (u32::try_from(self.at).unwrap_or(u32::MAX), after);
    }

    fn start_of(&self, number: usize) -> usize {
        usize::try_from(self.nodes[number].start).unwrap_or_default()
    }

    /// The next byte that is not white space, which stays to be scanned.
    fn next(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                other => return Some(*other),
            }
        }
        None
    }

    /// Scans a string. Returns whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        self.at += 1;
        let mut is_escaped = false;
        loop {
            self.at = end_of_plain(self.bytes, self.at);
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(is_escaped);
                }
                b'\\' => {
                    is_escaped = true;
                    self.at += 2;
                    match self.bytes.get(self.at - 1)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => {
                            let digits = self.bytes.get(self.at..self.at + 4)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 4;
                        }
                        _ => return None,
                    }
                }
                _ => return None, // a control character
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        self.at += usize::from(self.bytes[self.at] == b'-');
        match self.bytes.get(self.at)? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let is_it = self.bytes[self.at..].starts_with(word);
        self.at += word.len();
        is_it.then_some(())
    }
}

/// Where the plain characters of a string end: at a quote, a backslash, a
/// control character, or the end of the text. Eight bytes at a time, because
/// most of a hook is in strings.
fn end_of_plain(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The lowest byte that is marked is right; a byte above it may be marked
    // wrongly, by the borrow.
    let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word & HIGH;
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let special = below(word, 0x20)
            | below(word ^ (ONES * u64::from(b'"')), 1)
            | below(word ^ (ONES * u64::from(b'\\')), 1);
        if special != 0 {
            return at + usize::try_from(special.trailing_zeros() / 8).unwrap_or_default();
        }
        at += 8;
    }
    let is_plain = |byte: &u8| *byte >= 0x20 && !matches!(byte, b'"' | b'\\');
    at + bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is_plain(byte)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn accepts(text: &str) -> bool {
        serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn it_accepts_what_serde_json_accepts() {
        for text in [
            "{}",
            "[]",
            " [1 , 2]\n",
            "{\"a\":{\"b\":[]}}",
            "0",
            "-0",
            "1.5e+10",
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "+1",
            "\"",
            "\"\\u00e9\"",
            "\"\\u00\"",
            "\"\\x\"",
            "\"\u{1}\"",
            "tru",
            "nulls",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\"}",
            "[1 2]",
            "{} {}",
            "[}",
            "",
            " ",
            "\"\\\"\"",
            "[[[[]]]",
            "{\"a\":1:2}",
            "[\"\u{7f}\u{80}é💡\"]",
            "1 2",
            "--1",
            "1.e1",
        ] {
            assert_eq!(scan(text).is_some(), accepts(text), "{text}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(scan(&deep).map(|nodes| nodes.len()), Some(100_000));
    }

    #[test]
    fn every_byte_that_ends_plain_characters_is_found_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..24 {
                let mut bytes = [b'a'; 24];
                bytes[place] = byte;
                let is_plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
                let end = if is_plain { bytes.len() } else { place };
                assert_eq!(end_of_plain(&bytes, 0), end, "{byte} at {place}");
            }
        }
    }

    /// JSON with unusual spaces and escapes.
    fn json() -> impl Strategy<Value = String> {
        let space = "[ \n\t\r]{0,2}";
        let text = "\"([ -!#-\\[\\]-~а-я💡]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-f]{4}){0,20}\"";
        let number = "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?";
        let leaf = prop_oneof![text, number, "true|false|null"];
        let leaf = (space, leaf, space).prop_map(|(before, leaf, after)| before + &leaf + &after);
        leaf.prop_recursive(4, 48, 6, move |inner| {
            let item = inner.clone();
            let field = (space, text, space, inner);
            prop_oneof![
                prop::collection::vec(item, 0..6)
                    .prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(field, 0..6).prop_map(|fields| {
                    let fields: Vec<String> = fields
                        .into_iter()
                        .map(|(before, name, after, value)| {
                            format!("{before}{name}{after}:{value}")
                        })
                        .collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn json_is_accepted(text in json()) {
            prop_assert!(accepts(&text), "{text}");
            let nodes = scan(&text).expect("JSON");
            prop_assert_eq!(&text[nodes[0].start as usize..nodes[0].end as usize], text.trim());
            for node in nodes {
                prop_assert!(accepts(&text[node.start as usize..node.end as usize]));
            }
        }

        /// Damaged JSON is accepted or refused as `serde_json` does.
        #[test]
        fn damaged_json_is_judged_alike(
            text in json(), place in any::<prop::sample::Index>(), into in "[ -~]|\\PC|[\\x00-\\x1f]",
            is_inserted in any::<bool>(),
        ) {
            let mut characters: Vec<char> = text.chars().collect();
            let place = place.index(characters.len());
            let into = into.chars().next().expect("a character");
            if is_inserted { characters.insert(place, into) } else { characters[place] = into }
            let damaged: String = characters.into_iter().collect();
            prop_assert_eq!(scan(&damaged).is_some(), accepts(&damaged), "{}", damaged);
        }
    }
}
