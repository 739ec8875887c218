//! Words of texts and of questions.

use rust_stemmers::{Algorithm, Stemmer};

/// The most characters of a word that are compared.
const WORD_CHARACTERS_MAX: usize = 40;

/// The words of a text: runs of letters and digits in lower case, with ё as е.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(folded)
}

/// A word as it is compared.
#[must_use]
pub fn folded(word: &str) -> String {
    let lower = word.chars().flat_map(char::to_lowercase);
    let lower = lower.map(|c| if c == 'ё' { 'е' } else { c });
    lower.take(WORD_CHARACTERS_MAX).collect()
}

/// A code as it is compared: letters and digits alone.
#[must_use]
pub fn code(text: &str) -> String {
    folded(&text.chars().filter(|c| c.is_alphanumeric()).collect::<String>())
}

/// Takes off the endings of words.
pub struct Endings {
    russian: Stemmer,
    english: Stemmer,
}

impl Default for Endings {
    fn default() -> Endings {
        let of = Stemmer::create;
        Endings { russian: of(Algorithm::Russian), english: of(Algorithm::English) }
    }
}

impl Endings {
    /// The stem of a folded word.
    #[must_use]
    pub fn stem(&self, word: &str) -> String {
        let is_russian = word.chars().any(|c| ('а'..='я').contains(&c));
        let is_word = word.chars().all(char::is_alphabetic);
        match (is_word, is_russian) {
            (false, _) => word.to_owned(),
            (true, true) => self.russian.stem(word).into_owned(),
            (true, false) => self.english.stem(word).into_owned(),
        }
    }
}

impl std::fmt::Debug for Endings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endings")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_words_and_words_have_stems() {
        let found: Vec<String> = words("Ёлочные шары, 6 шт. USB-C 15Pro").collect();
        assert_eq!(found, ["елочные", "шары", "6", "шт", "usb", "c", "15pro"]);
        let endings = Endings::default();
        let same = |one: &str, other: &str| {
            assert_eq!(endings.stem(&folded(one)), endings.stem(&folded(other)));
        };
        same("молоко", "Молока");
        same("шары", "шаров");
        same("charger", "chargers");
        assert_eq!(endings.stem("15pro"), "15pro");
        assert_eq!(code("AB-12/3 ё"), "ab123е");
    }
}
