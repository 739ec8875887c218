//! A letter as it arrived.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub to: String,
    /// The `Message-ID`.
    pub id: String,
    /// The part that is plain text.
    pub text: String,
    /// The whole letter, as it was sent.
    pub raw: String,
}

impl Letter {
    /// Reads a letter.
    #[must_use]
    pub fn read(to: &str, raw: &str) -> Letter {
        let id = header(raw, "Message-ID").unwrap_or_default();
        Letter { to: to.into(), id, text: plain_text(raw).unwrap_or_default(), raw: raw.into() }
    }

    /// The first link in the text.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        let place = self.text.find("http")?;
        self.text[place..].split_whitespace().next()
    }
}

/// The value of a header, in one line.
fn header(text: &str, name: &str) -> Option<String> {
    let (head, _) = text.split_once("\n\n")?;
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    Some(value.trim().to_owned())
}

/// The content of the first part that is plain text.
fn plain_text(raw: &str) -> Option<String> {
    let kind = header(raw, "Content-Type")?;
    let Some((_, boundary)) = kind.split_once("boundary=") else { return decoded(raw) };
    let boundary = format!("--{}", boundary.trim_matches('"').split('"').next()?);
    let mut parts = raw.split(&boundary).skip(1).map(str::trim_start);
    let is_plain = |part: &&str| {
        header(part, "Content-Type").is_some_and(|kind| kind.starts_with("text/plain"))
    };
    decoded(parts.find(is_plain)?)
}

/// The content of a part.
fn decoded(part: &str) -> Option<String> {
    let (_, body) = part.split_once("\n\n")?;
    let encoding = header(part, "Content-Transfer-Encoding").unwrap_or_default();
    let bytes = match encoding.to_ascii_lowercase().as_str() {
        "base64" => BASE64.decode(body.split_whitespace().collect::<String>()).ok()?,
        "quoted-printable" => unquoted(body)?,
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8(bytes).ok()
}

/// Undoes `quoted-printable`: `=D0` is a byte, `=` at the end of a line joins
/// it with the next one.
fn unquoted(text: &str) -> Option<Vec<u8>> {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let [first, behind @ ..] = rest {
        if *first == b'=' {
            let (digits, behind) = behind.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_letter_is_read_however_it_is_encoded() {
        let head = "Message-ID: <1@shop.example>\nContent-Type: multipart/alternative;\n \
                    boundary=\"b-1\"\n\n";
        let html = "--b-1\nContent-Type: text/html\n\n<p>no</p>\n--b-1--\n";
        for (encoding, body) in [
            ("quoted-printable", "=D0=94=D0=B0 https://shop.example/verif=\ny/x=3D1 here\n"),
            ("base64", "0JTQsCBodHRwczovL3Nob3AuZXhhbXBsZS92ZXJp\nZnkveD0xIGhlcmU=\n"),
            ("8bit", "Да https://shop.example/verify/x=1 here\n"),
        ] {
            let part = format!(
                "--b-1\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: \
                 {encoding}\n\n{body}"
            );
            let letter = Letter::read("anna@example.org", &format!("{head}{part}{html}"));
            assert!(letter.text.starts_with("Да https"), "{encoding}: {}", letter.text);
            assert_eq!(letter.link(), Some("https://shop.example/verify/x=1"), "{encoding}");
            assert_eq!(letter.id, "<1@shop.example>");
        }
    }
}
