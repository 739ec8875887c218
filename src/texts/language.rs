//! The languages.

use serde::Deserialize;

/// A language of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Russian.
    #[default]
    Ru,
    /// English.
    En,
}

impl Language {
    /// The first of ours that `accept` names, the value of the header `Accept-Language`.
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

    /// Its code, as HTML has it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Language::Ru => "ru",
            Language::En => "en",
        }
    }
}
