//! In which products words occur.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::typo;
use super::words::{Endings, code, words};

/// The most characters of a question that are read, and the most words.
const QUESTION_CHARACTERS_MAX: usize = 200;
const QUESTION_WORDS_MAX: usize = 8;

/// A beginning of a word has at least so many letters.
const BEGINNING_LETTERS_MIN: usize = 2;

/// How much a hit counts: in the name, or elsewhere.
const CODE: u16 = 60;
const WHOLE: [u16; 2] = [10, 5];
const STEM: [u16; 2] = [8, 4];
const BEGINNING: [u16; 2] = [6, 3];
const NEAR: [u16; 2] = [2, 1];

/// A product in the index: a place that is never used again.
pub type Slot = u32;

/// A slot, and in its lowest bit whether the word is in the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hit(u32);

impl Hit {
    const fn new(slot: Slot, is_in_name: bool) -> Hit {
        Hit(slot << 1 | is_in_name as u32)
    }

    const fn slot(self) -> Slot {
        self.0 >> 1
    }

    const fn of(self, weights: [u16; 2]) -> u16 {
        if self.0 & 1 == 1 { weights[0] } else { weights[1] }
    }
}

/// The texts by which a product is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts<'a> {
    pub name: &'a str,
    /// The vendor, the category.
    pub others: Vec<&'a str>,
    /// The article, the vendor's own, barcodes.
    pub codes: Vec<&'a str>,
}

/// The index. Slots of products that were removed stay in it; who asks says
/// which.
#[derive(Debug, Default)]
pub struct Index {
    words: BTreeMap<Box<str>, Word>,
    stems: HashMap<Box<str>, Vec<Hit>>,
    /// Among what a word with a typo is looked for.
    words_by_length: typo::ByLength,
    stems_by_length: typo::ByLength,
    codes: HashMap<Box<str>, Vec<Hit>>,
    endings: Endings,
}

#[derive(Debug)]
struct Word {
    hits: Vec<Hit>,
    /// To make it takes longer than to look the word up.
    stem: Box<str>,
}

fn enter(hits: &mut Vec<Hit>, hit: Hit) {
    // Slots are entered one after another; a word of the name comes first.
    if hits.last().is_none_or(|last| last.slot() != hit.slot()) {
        hits.push(hit);
    }
}

impl Index {
    /// Adds a product, whose slot is greater than all before.
    pub fn add(&mut self, slot: Slot, texts: &Texts) {
        let name = words(texts.name).map(|word| (word, true));
        let others = texts.others.iter().flat_map(|text| words(text)).map(|word| (word, false));
        for (text, is_in_name) in name.chain(others) {
            let hit = Hit::new(slot, is_in_name);
            if !self.words.contains_key(text.as_str()) {
                let stem = self.endings.stem(&text).into();
                self.words_by_length.add(&text);
                self.words.insert(text.as_str().into(), Word { hits: Vec::new(), stem });
            }
            let Some(word) = self.words.get_mut(text.as_str()) else { continue };
            enter(&mut word.hits, hit);
            match self.stems.get_mut(&word.stem) {
                Some(hits) => enter(hits, hit),
                None => {
                    self.stems_by_length.add(&word.stem);
                    self.stems.insert(word.stem.clone(), vec![hit]);
                }
            }
        }
        for text in &texts.codes {
            let code = code(text);
            if !code.is_empty() {
                enter(self.codes.entry(code.into()).or_default(), Hit::new(slot, true));
            }
        }
    }

    /// The products in which every word of a question occurs, with how well
    /// each fits. `slots` is the number of slots; those of removed products are
    /// left out.
    #[must_use]
    pub fn find(
        &self,
        question: &str,
        slots: usize,
        is_live: impl Fn(Slot) -> bool,
    ) -> Vec<(Slot, u16)> {
        let question: String = question.chars().take(QUESTION_CHARACTERS_MAX).collect();
        let mut found: Option<Vec<(Slot, u16)>> = None;
        let mut scores = Scores { of: vec![0; slots], touched: Vec::new(), is_live };
        let mut count = 0;
        for chunk in question.split_whitespace() {
            let words: Vec<String> = words(chunk).collect();
            let by_code = self.codes.get(code(chunk).as_str());
            if words.len() > 1 && by_code.is_some() {
                scores.enter(by_code, [CODE, CODE]);
                found = Some(scores.merged(found));
                count += 1;
                continue;
            }
            for word in &words {
                count += 1;
                if count > QUESTION_WORDS_MAX {
                    return found.unwrap_or_default();
                }
                scores.enter(by_code, [CODE, CODE]);
                self.enter_hits(word, &mut scores);
                found = Some(scores.merged(found));
            }
        }
        found.unwrap_or_default()
    }

    fn enter_hits(&self, word: &str, scores: &mut Scores<impl Fn(Slot) -> bool>) {
        let stem = self.endings.stem(word);
        scores.enter(self.words.get(word).map(|word| &word.hits), WHOLE);
        scores.enter(self.stems.get(stem.as_str()), STEM);
        let letters = word.chars().count();
        if letters >= BEGINNING_LETTERS_MIN {
            let from = (Bound::Included(word), Bound::Unbounded);
            let from = self.words.range::<str, _>(from);
            for (_, other) in from.take_while(|(other, _)| other.starts_with(word)) {
                scores.enter(Some(&other.hits), BEGINNING);
            }
        }
        if scores.touched.is_empty() && letters >= typo::LETTERS_MIN {
            for other in self.words_by_length.near(word) {
                scores.enter(self.words.get(other).map(|other| &other.hits), NEAR);
            }
            for other in self.stems_by_length.near(&stem) {
                scores.enter(self.stems.get(other), NEAR);
            }
        }
    }
}

/// The scores of the products for one word.
struct Scores<F> {
    of: Vec<u16>,
    touched: Vec<Slot>,
    is_live: F,
}

impl<F: Fn(Slot) -> bool> Scores<F> {
    fn enter(&mut self, hits: Option<&Vec<Hit>>, weights: [u16; 2]) {
        for hit in hits.into_iter().flatten() {
            let Some(score) = self.of.get_mut(hit.slot() as usize) else { continue };
            if *score == 0 {
                if !(self.is_live)(hit.slot()) {
                    continue;
                }
                self.touched.push(hit.slot());
            }
            *score = (*score).max(hit.of(weights));
        }
    }

    /// The products that have this word too, with the sums of their scores.
    fn merged(&mut self, found: Option<Vec<(Slot, u16)>>) -> Vec<(Slot, u16)> {
        let score = |slot: Slot| self.of.get(slot as usize).copied().unwrap_or(0);
        let merged = match found {
            None => self.touched.iter().map(|slot| (*slot, score(*slot))).collect(),
            Some(mut found) => {
                found.retain_mut(|(slot, sum)| {
                    let added = score(*slot);
                    *sum = sum.saturating_add(added);
                    added > 0
                });
                found
            }
        };
        for slot in self.touched.drain(..) {
            if let Some(score) = self.of.get_mut(slot as usize) {
                *score = 0;
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        let goods: [(&str, &[&str], &[&str]); 5] = [
            ("Молоко пастеризованное 3,2%", &["Простоквашино", "Молочные продукты"], &["A-100/7"]),
            ("Кефир", &["Простоквашино", "Молочные продукты"], &["4607001234567"]),
            ("Ёлочные шары, набор 6 шт", &[], &["EL6"]),
            ("USB-C charger 20W", &["Anker"], &["100"]),
            ("Молоток слесарный", &["Инструменты"], &["300"]),
        ];
        for (slot, (name, others, codes)) in (0..).zip(goods) {
            index.add(slot, &Texts { name, others: others.to_vec(), codes: codes.to_vec() });
        }
        index
    }

    /// The slots that are found, the best first.
    fn found(question: &str) -> Vec<Slot> {
        let mut found = index().find(question, 5, |_| true);
        found.sort_unstable_by_key(|(slot, score)| (std::cmp::Reverse(*score), *slot));
        found.into_iter().map(|(slot, _)| slot).collect()
    }

    #[test]
    fn words_are_found_in_every_form() {
        assert_eq!(found("молоко"), [0]);
        assert_eq!(found("МОЛОКА"), [0]);
        assert_eq!(found("елочный шар"), [2]);
        assert_eq!(found("ёлочных шаров"), [2]);
        assert_eq!(found("chargers"), [3]);
        assert_eq!(found("простоквашино"), [0, 1]);
        assert_eq!(found("простоквашино кефир"), [1]);
        assert_eq!(found("кефир молоко"), Vec::<Slot>::new());
    }

    #[test]
    fn words_are_found_by_their_beginning_and_with_a_typo() {
        // What begins with it in the name is better than elsewhere.
        assert_eq!(found("молок"), [0]);
        assert_eq!(found("моло"), [0, 4, 1]);
        assert_eq!(found("usb"), [3]);
        assert_eq!(found("молако"), [0]);
        assert_eq!(found("прастоквашино"), [0, 1]);
        assert_eq!(found("кифир"), [1]);
        // Short words are no typos of others, and one letter is no beginning.
        assert_eq!(found("шпр"), Vec::<Slot>::new());
        assert_eq!(found("м"), Vec::<Slot>::new());
    }

    #[test]
    fn codes_are_found_as_a_whole() {
        assert_eq!(found("A-100/7"), [0]);
        assert_eq!(found("a1007"), [0]);
        assert_eq!(found("4607001234567"), [1]);
        assert_eq!(found("100"), [3]);
        assert_eq!(found("el6 шары"), [2]);
    }

    #[test]
    fn a_word_of_removed_products_alone_is_a_typo_as_if_it_was_never_there() {
        let mut index = index();
        let texts = Texts { name: "Малоко", others: Vec::new(), codes: Vec::new() };
        index.add(5, &texts);
        let found = |is_live: fn(Slot) -> bool| -> Vec<Slot> {
            index.find("малоко", 6, is_live).into_iter().map(|(slot, _)| slot).collect()
        };
        assert_eq!(found(|_| true), [5]);
        assert_eq!(found(|slot| slot != 5), [0]);
    }

    #[test]
    fn nothing_is_found_for_nothing() {
        assert_eq!(found(""), Vec::<Slot>::new());
        assert_eq!(found(" -- !"), Vec::<Slot>::new());
        let long = "молоко ".repeat(100);
        assert_eq!(found(&long), [0]);
    }
}
