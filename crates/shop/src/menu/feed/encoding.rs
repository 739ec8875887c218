//! The encodings in which feeds are written: UTF-8 and windows-1251.

use std::io::{self, BufRead, Read};

use encoding_rs::{Encoding, UTF_8, WINDOWS_1251};

use super::BrokenBy;

/// How many bytes of a feed are searched for its declaration.
const DECLARATION_BYTES_MAX: usize = 1024;

/// The bytes of a feed as UTF-8, whatever its declaration names.
///
/// # Errors
/// When it names an encoding that is not known here, or cannot be read.
pub fn as_utf8<'a>(mut bytes: impl BufRead + 'a) -> Result<Box<dyn BufRead + 'a>, BrokenBy> {
    let start = bytes.fill_buf().map_err(quick_xml::Error::from)?;
    let start = &start[..start.len().min(DECLARATION_BYTES_MAX)];
    // UTF-16 and the like have a zero byte beside each letter.
    if start.contains(&0) {
        return Err(BrokenBy::Encoding("UTF-16".into()));
    }
    let Some(named) = named_in(start) else { return Ok(Box::new(bytes)) };
    match Encoding::for_label(named.as_bytes()) {
        Some(encoding) if encoding == UTF_8 => Ok(Box::new(bytes)),
        Some(encoding) if encoding == WINDOWS_1251 => {
            Ok(Box::new(Windows1251 { bytes, text: String::new(), read: 0 }))
        }
        Some(_) | None => Err(BrokenBy::Encoding(named)),
    }
}

/// The encoding that a declaration names.
fn named_in(start: &[u8]) -> Option<String> {
    let text: String = start.iter().copied().map(char::from).collect();
    let (_, rest) = text.split_once("<?xml")?;
    let (declaration, _) = rest.split_once("?>")?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (named, _) = value[1..].split_once(quote)?;
    Some(named.to_owned())
}

/// Turns windows-1251 into UTF-8. Each byte is a character.
struct Windows1251<R> {
    bytes: R,
    text: String,
    read: usize,
}

impl<R: BufRead> Read for Windows1251<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Windows1251<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read == self.text.len() {
            let bytes = self.bytes.fill_buf()?;
            let count = bytes.len();
            let (text, _) = WINDOWS_1251.decode_without_bom_handling(bytes);
            self.text = text.into_owned();
            self.read = 0;
            self.bytes.consume(count);
        }
        Ok(&self.text.as_bytes()[self.read..])
    }

    fn consume(&mut self, count: usize) {
        self.read += count;
    }
}
