//! Serialization of values with a short text, without memory from the heap.

use std::fmt::{self, Display, Write};

use serde::{Serialize, Serializer};

/// The longest text that is written without an allocation, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// A text in place.
struct ShortText {
    bytes: [u8; TEXT_BYTES_MAX],
    length: usize,
}

impl Write for ShortText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.length + part.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Serializes the text of a value, as [`Serializer::collect_str`] does.
pub fn serialize_text<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    let mut text = ShortText { bytes: [0; TEXT_BYTES_MAX], length: 0 };
    let written = write!(text, "{value}");
    match std::str::from_utf8(&text.bytes[..text.length]) {
        Ok(short) if written.is_ok() => short.serialize(to),
        _ => to.collect_str(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct AsText(String);

    impl Serialize for AsText {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            serialize_text(&format_args!("{}{}", self.0, "ё"), to)
        }
    }

    #[test]
    fn a_text_of_any_length_is_serialized_whole() {
        for length in 0..3 * TEXT_BYTES_MAX {
            let text = "й".repeat(length);
            let json = serde_json::to_string(&AsText(text.clone())).expect("serializable");
            assert_eq!(json, format!("\"{text}ё\""));
        }
    }
}
