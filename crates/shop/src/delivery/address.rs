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
    /// What it says of towns: its parts between commas that name no street, and
    /// what comes after `г.` and the like.
    places: Vec<Vec<String>>,
    /// The names before a street in an address without commas.
    lead: Vec<String>,
    /// All names but numbers.
    names: Vec<String>,
    postal_code: Option<u32>,
}

impl Address {
    #[must_use]
    pub fn of(text: &str) -> Address {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let (mut places, mut lead) = (Vec::new(), Vec::new());
        for part in &parts {
            let Part { place, before_street } = Part::of(part);
            places.extend(place.filter(|names| !names.is_empty()));
            if lead.is_empty() {
                lead = before_street;
            }
        }
        let is_name = |word: &Word| {
            word.sort == Sort::Name && !word.written.starts_with(|c: char| c.is_ascii_digit())
        };
        let names = words(text).into_iter().filter(is_name).map(|word| word.written);
        Address { places, lead, names: names.collect(), postal_code: code_of(&parts) }
    }

    #[must_use]
    pub const fn postal_code(&self) -> Option<u32> {
        self.postal_code
    }

    /// Whether it is in a town with this name.
    #[must_use]
    pub fn is_in(&self, town: &Town) -> bool {
        let Town(wanted) = town;
        if wanted.is_empty() || self.places.contains(wanted) {
            return !wanted.is_empty();
        }
        // Without commas it begins with the town; a street comes after it.
        let begins = |names: &[String]| names.len() > wanted.len() && names.starts_with(wanted);
        match &self.places[..] {
            [] => begins(&self.lead),
            [only] => begins(only),
            [_, _, ..] => false,
        }
    }

    /// How many names it shares with another one in the same town.
    #[must_use]
    pub fn shared_names(&self, other: &Address) -> usize {
        let town = other.places.first().map(|names| Town(names.clone()));
        if !town.is_some_and(|town| self.is_in(&town)) {
            return 0;
        }
        self.names.iter().filter(|name| other.names.contains(name)).count()
    }
}

/// A part of an address between commas.
#[derive(Debug, Default)]
struct Part {
    /// The town or district that it names.
    place: Option<Vec<String>>,
    /// The names before the type of a street.
    before_street: Vec<String>,
}

/// What comes before the name of a town.
const TOWN_MARKS: [&str; 10] =
    ["г", "город", "п", "пос", "поселок", "дер", "деревня", "с", "село", "пгт"];

/// What says that a part names a region or a district, not a town.
const REGION_MARKS: [&str; 6] = ["область", "обл", "район", "р-н", "край", "республика"];

impl Part {
    fn of(part: &str) -> Part {
        let folded = part.to_lowercase().replace('ё', "е");
        let all = folded.split(|c: char| !c.is_alphanumeric() && c != '-');
        let all: Vec<&str> =
            all.map(|word| word.trim_matches('-')).filter(|word| !word.is_empty()).collect();
        let is_name = |word: &str| {
            sort_of(word) == Sort::Name && !word.starts_with(|c: char| c.is_ascii_digit())
        };
        // A letter before a number is part of a house.
        let is_mark = |pair: &[&str]| matches!(pair, [mark, name] if TOWN_MARKS.contains(mark) && is_name(name));
        if let Some(mark) = all.windows(2).position(is_mark) {
            let after = all.get(mark + 1..).unwrap_or_default();
            let end = after.iter().position(|word| !is_name(word)).unwrap_or(after.len());
            let place = after.iter().take(end).map(|name| (*name).to_owned()).collect();
            return Part { place: Some(place), before_street: Vec::new() };
        }
        let names = |words: &[&str]| -> Vec<String> {
            words.iter().filter(|word| is_name(word)).map(|word| (*word).to_owned()).collect()
        };
        if all.iter().any(|word| REGION_MARKS.contains(word)) || all == ["россия"] {
            return Part::default();
        }
        match all.iter().position(|word| matches!(sort_of(word), Sort::Street(_))) {
            None => Part { place: Some(names(&all)), before_street: Vec::new() },
            Some(street) => {
                let mut before_street = names(&all[..street]);
                // If the street's name comes after its type, all before it is
                // something else.
                let next = all.get(street + 1..street + 2).unwrap_or_default();
                before_street.extend(names(next));
                Part { place: None, before_street }
            }
        }
    }
}

/// The postal code of an address: at one of its ends, or by itself. A number of
/// six digits elsewhere is that of a door.
fn code_of(parts: &[&str]) -> Option<u32> {
    let is_code =
        |word: &str| word.len() == CODE_DIGITS && word.bytes().all(|b| b.is_ascii_digit());
    let alone = parts.iter().find(|part| is_code(part)).copied();
    let first = parts.first().and_then(|part| part.split_whitespace().next());
    let last = parts.last().and_then(|part| part.split_whitespace().last());
    let last = last.filter(|_| parts.last().is_some_and(|part| whole_names(part).is_empty()));
    let code = alone.or(first.filter(|word| is_code(word))).or(last.filter(|word| is_code(word)));
    code?.parse().ok()
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
            ("Россия, 125009, Москва, ул. Тверская, 1", Some(125_009)),
            ("125009 г. Москва, ул. Тверская", Some(125_009)),
            ("Тверь, Советская, 5, домофон 125009, кв. 7", None),
            ("Тверь, Советская, 5, домофон 125009", None),
        ] {
            assert_eq!(Address::of(address).postal_code(), code, "{address}");
        }
        for (address, town, is_in) in [
            ("г. Нижний Новгород, Горького, 1", "Нижний Новгород", true),
            ("Королёв, Мира, 1", "г. Королев", true),
            ("125009 Москва, Тверская, 1", "Москва", true),
            ("Россия, Московская обл., Химки, Мира, 1", "Химки", true),
            ("г Москва ул Тверская д 1 кв 5", "Москва", true),
            ("Москва Тверская 1", "Москва", true),
            ("125009 г. Москва, ул. Тверская", "Москва", true),
            ("Санкт-Петербург Невский проспект 1", "Санкт-Петербург", true),
            ("Нижний Новгород ул. Горького 1", "Нижний Новгород", true),
            ("Московский проспект 10", "Московский", false),
            ("Московский пр-т, 10", "Московский", false),
            ("Омск, Красный Путь ул., 5", "Красный", false),
            ("Омск, Красный Путь ул., 5", "Омск", true),
            ("Новгород, Мира, 1", "Нижний Новгород", false),
            ("Новгород Нижний, Мира, 1", "Нижний Новгород", false),
            ("Новый Уренгой, Ленина, 1", "Уренгой", false),
            ("Новый Уренгой Ленина 1", "Уренгой", false),
            ("Уфа, Октябрьский район, ул. Ленина, 1", "Октябрьский", false),
            ("Московская область, г. Химки, ул. Мира", "Химки", true),
            ("Московская область г Химки ул Мира 1", "Химки", true),
            ("Москва ул. Тверская, 1", "Москва", true),
            ("Москва, Тверская д 1 с 3 кв 5", "Москва", true),
            ("ул. Московская, 1", "Московская", false),
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
