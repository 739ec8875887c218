//! The languages of texts.

use serde::{Deserialize, Serialize};

/// A language of texts for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Russian.
    #[default]
    Ru,
    /// English.
    En,
}

impl Language {
    /// The first supported language in `accept`, the value of an
    /// `Accept-Language` header.
    #[must_use]
    pub fn accepted(accept: &str) -> Option<Language> {
        accept.split(',').find_map(|range| {
            let range = range.trim().to_ascii_lowercase();
            match range.split(['-', ';']).next() {
                Some("ru") => Some(Language::Ru),
                Some("en") => Some(Language::En),
                Some(_) | None => None,
            }
        })
    }

    /// The language code that HTML uses.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Language::Ru => "ru",
            Language::En => "en",
        }
    }
}
