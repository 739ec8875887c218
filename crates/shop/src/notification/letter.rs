//! A letter in words: as text and as HTML.

use askama::Template;
use tillgate_kernel::{Language, Private};

use super::words::{Topic, Words, words};
use crate::formats::Letter;

/// Whose letters they are.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The shop's name.
    pub name: String,
    /// The address of the shop's pages.
    pub public_url: String,
}

/// A letter in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Worded {
    pub subject: String,
    pub text: String,
    pub html: String,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    lang: &'static str,
    shop: &'a str,
    words: &'static Words,
    url: &'a str,
}

#[derive(Template)]
#[template(path = "letter.txt")]
struct Text<'a> {
    shop: &'a str,
    words: &'static Words,
    url: &'a str,
}

impl Sender {
    /// Words a letter. `None` for a short message.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn word(
        &self,
        letter: &Letter,
        language: Language,
    ) -> Result<Option<Worded>, askama::Error> {
        let (topic, path) = match letter {
            Letter::Verify { token } => (Topic::Verify, path("verify", token)),
            Letter::Reset { token } => (Topic::Reset, path("reset", token)),
            Letter::AddressTaken => (Topic::AddressTaken, "/reset".into()),
            Letter::AddressChanged => (Topic::AddressChanged, "/account".into()),
            Letter::WalletFilled => (Topic::WalletFilled, "/account/wallet".into()),
            Letter::PhoneCode { .. } => return Ok(None),
        };
        let words = words(topic, language);
        let url = &format!("{}{path}", self.public_url);
        let subject = match self.name.as_str() {
            "" => words.subject.to_owned(),
            name => format!("{name}: {}", words.subject),
        };
        Ok(Some(Worded {
            subject,
            text: Text { shop: &self.name, words, url }.render()?,
            html: Html { lang: language.code(), shop: &self.name, words, url }.render()?,
        }))
    }

    /// The text of a short message. `None` for a letter.
    #[must_use]
    pub fn short(&self, letter: &Letter, language: Language) -> Option<String> {
        let Letter::PhoneCode { code } = letter else { return None };
        let (code, name) = (code.expose(), self.name.as_str());
        let text = match language {
            Language::Ru => format!("Код подтверждения: {code}. Никому его не сообщайте"),
            Language::En => format!("Your code: {code}. Do not give it to anybody"),
        };
        Some(if name.is_empty() { text } else { format!("{name}. {text}") })
    }
}

fn path(page: &str, token: &Private) -> String {
    format!("/{page}/{}", token.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_message_has_its_code_and_fits() {
        let sender =
            Sender { name: "Лавка".into(), public_url: "https://shop.example".into() };
        let letter = Letter::PhoneCode { code: Private::new("012345") };
        for language in [Language::Ru, Language::En] {
            let text = sender.short(&letter, language).expect("a text");
            // A message with Cyrillic letters has 70 characters.
            assert!(text.contains("012345") && text.chars().count() <= 70, "{text}");
        }
        assert_eq!(sender.short(&Letter::AddressTaken, Language::Ru), None);
    }

    #[test]
    fn a_letter_has_its_link_and_nothing_unescaped() {
        let name = "Лавка <у & моста>".to_owned();
        let sender = Sender { name, public_url: "https://shop.example".into() };
        let token = || Private::new("TOKEN-1");
        let letters = [
            (Letter::Verify { token: token() }, "https://shop.example/verify/TOKEN-1"),
            (Letter::Reset { token: token() }, "https://shop.example/reset/TOKEN-1"),
            (Letter::AddressTaken, "https://shop.example/reset"),
            (Letter::AddressChanged, "https://shop.example/account"),
            (Letter::WalletFilled, "https://shop.example/account/wallet"),
        ];
        for (letter, url) in letters {
            for language in [Language::Ru, Language::En] {
                let worded =
                    sender.word(&letter, language).expect("it is worded").expect("a letter");
                assert!(worded.text.lines().any(|line| line == url), "{}", worded.text);
                assert!(worded.html.contains(&format!("href=\"{url}\"")), "{}", worded.html);
                assert!(worded.html.contains(&format!("lang=\"{}\"", language.code())));
                assert!(!worded.html.contains("<у"), "{}", worded.html);
                assert!(worded.text.contains("Лавка <у & моста>"), "{}", worded.text);
                assert!(worded.subject.starts_with("Лавка <у & моста>: "));
                assert!(!worded.text.contains("\n\n\n"), "{}", worded.text);
            }
        }
    }
}
