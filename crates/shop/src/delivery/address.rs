//! How people write addresses: words in any order, with or without ё, street
//! types in full or short. Pure.

/// Types of streets, with how they are shortened.
const STREETS: &[(&str, &[&str])] = &[
    ("улица", &["ул"]),
    ("проспект", &["пр", "пр-т", "пр-кт", "просп"]),
    ("проезд", &["пр-д"]),
    ("переулок", &["пер"]),
    ("шоссе", &["ш"]),
    ("бульвар", &["б-р", "бул"]),
    ("набережная", &["наб"]),
    ("площадь", &["пл"]),
    ("тупик", &["туп"]),
    ("аллея", &["ал"]),
    ("микрорайон", &["мкр", "мкрн"]),
];

/// What else an address says beside names.
const OTHERS: &[(&str, &[&str])] = &[
    ("город", &["г"]),
    ("поселок", &["п", "пос"]),
    ("деревня", &["дер"]),
    ("село", &["с"]),
    ("область", &["обл"]),
    ("район", &["р-н"]),
    ("дом", &["д"]),
    ("корпус", &["к", "корп"]),
    ("строение", &["стр"]),
    ("квартира", &["кв"]),
];

/// How many digits a postal code has.
const CODE_DIGITS: usize = 6;

/// A word of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// As it was written, in small letters.
    written: String,
    sort: Sort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A name or a number.
    Name,
    /// The type of a street, in full.
    Street(&'static str),
    /// What an address may as well leave out.
    Other,
}

fn sort_of(word: &str) -> Sort {
    let is_it = |(full, short): &&(&'static str, &[&str])| *full == word || short.contains(&word);
    match STREETS.iter().find(is_it) {
        Some((full, _)) => Sort::Street(full),
        None if OTHERS.iter().any(|one| is_it(&one)) => Sort::Other,
        None => Sort::Name,
    }
}

fn words(text: &str) -> Vec<Word> {
    let folded = text.to_lowercase().replace('ё', "е");
    let parts = folded.split(|c: char| !c.is_alphanumeric() && c != '-');
    let mut words = Vec::new();
    for part in parts.map(|part| part.trim_matches('-')).filter(|part| !part.is_empty()) {
        let sort = sort_of(part);
        if sort != Sort::Name {
            words.push(Word { written: part.to_owned(), sort });
            continue;
        }
        // Parts of a name with hyphens are found by themselves.
        let all = part.split('-').filter(|word| !word.is_empty());
        words.extend(all.map(|word| Word { written: word.to_owned(), sort }));
    }
    words
}

/// The words of a filter.
#[derive(Debug)]
pub struct Filter(Vec<Word>);

impl Filter {
    #[must_use]
    pub fn of(text: &str) -> Filter {
        Filter(words(text))
    }

    /// Whether a text has all words of the filter, or what begins with them.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let words_of_text = words(text);
        let is_street = |word: &Word| matches!(word.sort, Sort::Street(_));
        let has_street = words_of_text.iter().any(is_street);
        self.0.iter().all(|wanted| {
            let begins = |word: &Word| {
                let full = if let Sort::Street(full) = word.sort { full } else { &word.written };
                full.starts_with(&wanted.written) || word.written.starts_with(&wanted.written)
            };
            match wanted.sort {
                Sort::Other => true,
                // Some addresses leave the types of streets out.
                Sort::Street(_) if !has_street => true,
                Sort::Street(_) => {
                    words_of_text.iter().any(|word| word.sort == wanted.sort || begins(word))
                }
                Sort::Name => words_of_text.iter().any(begins),
            }
        })
    }
}

/// An address, read once.
#[derive(Debug)]
pub struct Address {
    /// Its parts between commas that name no street: towns and districts, with
    /// whole names.
    places: Vec<Vec<String>>,
    /// All names but numbers.
    names: Vec<String>,
    postal_code: Option<u32>,
}

impl Address {
    #[must_use]
    pub fn of(text: &str) -> Address {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        // A number of six digits elsewhere is that of a flat or a door.
        let ends = [parts.first(), parts.last()].into_iter().flatten();
        let postal_code = ends.filter_map(|part| code_in(part)).next();
        let is_street = |word: &Word| matches!(word.sort, Sort::Street(_));
        let places = parts.iter().filter(|part| !words(part).iter().any(is_street));
        let places = places.map(|part| whole_names(part)).filter(|names| !names.is_empty());
        let is_name = |word: &Word| {
            word.sort == Sort::Name && !word.written.starts_with(|c: char| c.is_ascii_digit())
        };
        let names = words(text).into_iter().filter(is_name).map(|word| word.written);
        Address { places: places.collect(), names: names.collect(), postal_code }
    }

    #[must_use]
    pub const fn postal_code(&self) -> Option<u32> {
        self.postal_code
    }

    /// Whether it is in a town with this name.
    #[must_use]
    pub fn is_in(&self, town: &Town) -> bool {
        let Town(wanted) = town;
        let has = |place: &Vec<String>| place.windows(wanted.len()).any(|part| part == wanted);
        !wanted.is_empty() && self.places.iter().any(has)
    }

    /// How many names it shares with another one, if one of them is its town.
    #[must_use]
    pub fn shared_names(&self, other: &Address) -> usize {
        let town = other.places.first().map(|names| Town(names.clone()));
        if !town.is_some_and(|town| self.is_in(&town)) {
            return 0;
        }
        self.names.iter().filter(|name| other.names.contains(name)).count()
    }
}

/// The name of a town.
#[derive(Debug)]
pub struct Town(Vec<String>);

impl Town {
    #[must_use]
    pub fn of(text: &str) -> Town {
        Town(whole_names(text))
    }
}

/// The postal code in a part of an address.
fn code_in(part: &str) -> Option<u32> {
    let mut words = part.split(|c: char| !c.is_alphanumeric());
    let code = words
        .find(|word| word.len() == CODE_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit()))?;
    code.parse().ok()
}

/// The names in a part of an address; those with hyphens are one.
fn whole_names(part: &str) -> Vec<String> {
    let folded = part.to_lowercase().replace('ё', "е");
    let names = folded.split(|c: char| !c.is_alphanumeric() && c != '-');
    let is_name = |name: &&str| {
        !name.is_empty()
            && sort_of(name) == Sort::Name
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    names.map(|name| name.trim_matches('-')).filter(is_name).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_found_as_people_write() {
        let point = "На Королёва: Москва, ул. Академика Королёва, д. 12";
        for filter in [
            "",
            "королева",
            "Королёв",
            "москва королева",
            "улица королева",
            "ул. Королева 12",
            "Королёва, 12, Москва",
            "акад",
            "УЛИЦА АКАДЕМИКА",
            "г москва",
            "дом 12",
        ] {
            assert!(Filter::of(filter).fits(point), "{filter:?}");
        }
        for (address, filter) in [
            ("Ленинский пр-т, 7", "ленинский проспект"),
            ("Ленинский проспект, 7", "пр. Ленинский"),
            ("Ленинский проспект, 7", "прос"),
            ("Санкт-Петербург, Невский, 1", "петербург невский"),
            ("Санкт-Петербург, Невский, 1", "Невский проспект"),
            ("Цветной б-р, 2", "бульвар цветной"),
        ] {
            assert!(Filter::of(filter).fits(address), "{address}: {filter}");
        }
        for (address, filter) in [
            ("Ленинский проспект, 7", "улица Ленинский"),
            ("Тверская, 1", "москва тверская"),
            ("Тверская, 1", "верская"),
        ] {
            assert!(!Filter::of(filter).fits(address), "{address}: {filter}");
        }
    }

    #[test]
    fn an_address_says_its_postal_code_and_town() {
        for (address, code) in [
            ("125009, Москва, Тверская, 1", Some(125_009)),
            ("Москва, Тверская, 1, 125009", Some(125_009)),
            ("Москва, Тверская, 1, 1250091", None),
            ("Тверь, Советская, 5, домофон 125009, кв. 7", None),
        ] {
            assert_eq!(Address::of(address).postal_code(), code, "{address}");
        }
        for (address, town, is_in) in [
            ("г. Нижний Новгород, Горького, 1", "Нижний Новгород", true),
            ("Королёв, Мира, 1", "г. Королев", true),
            ("125009 Москва, Тверская, 1", "Москва", true),
            ("Россия, Московская обл., Химки, Мира, 1", "Химки", true),
            ("Новгород, Мира, 1", "Нижний Новгород", false),
            ("Новгород Нижний, Мира, 1", "Нижний Новгород", false),
            ("Москва, Тверская, 1", "г.", false),
            ("Ростов-на-Дону, Садовая, 1", "Ростов", false),
            ("Ростов-на-Дону, Садовая, 1", "Ростов-на-Дону", true),
            ("Санкт-Петербург, Московский пр-т, 10", "Московский", false),
        ] {
            assert_eq!(Address::of(address).is_in(&Town::of(town)), is_in, "{address}: {town}");
        }
    }

    #[test]
    fn only_what_is_in_the_same_town_is_near() {
        let near = |one: &str, other: &str| Address::of(one).shared_names(&Address::of(other));
        assert_eq!(near("Омск, Ленина, 5", "Омск, ул. Ленина, 7"), 2);
        assert_eq!(near("Омск, Ленина, 5", "Омск, Мира, 7"), 1);
        assert_eq!(near("Омск, Ленина, 5", "Тверь, ул. Ленина, 5"), 0);
        assert_eq!(near("Владивосток, Светланская, 1", "Тверь, пл. Гагарина, 1"), 0);
    }
}
