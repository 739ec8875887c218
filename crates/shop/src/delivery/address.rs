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

/// The postal code in an address.
#[must_use]
pub fn postal_code(address: &str) -> Option<u32> {
    let mut words = address.split(|c: char| !c.is_alphanumeric());
    let code = words
        .find(|word| word.len() == CODE_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit()))?;
    code.parse().ok()
}

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

/// Whether a text has all words of a filter, or what begins with them.
#[must_use]
pub fn has_all(text: &str, filter: &str) -> bool {
    let words_of_text = words(text);
    let is_street = |word: &Word| matches!(word.sort, Sort::Street(_));
    let has_street = words_of_text.iter().any(is_street);
    words(filter).iter().all(|wanted| {
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

/// How many names and numbers two addresses share. The nearer they are, the
/// more.
#[must_use]
pub fn shared_names(one: &str, other: &str) -> usize {
    let names = |text: &str| words(text).into_iter().filter(|word| word.sort == Sort::Name);
    let of_other: Vec<Word> = names(other).collect();
    names(one).filter(|word| of_other.contains(word)).count()
}

/// Whether an address names a place: has all its words, written in full.
#[must_use]
pub fn names(address: &str, place: &str) -> bool {
    let words_of_address = words(address);
    let mut wanted = words(place).into_iter().filter(|word| word.sort == Sort::Name).peekable();
    wanted.peek().is_some() && wanted.all(|word| words_of_address.contains(&word))
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
            assert!(has_all(point, filter), "{filter:?}");
        }
        for (address, filter) in [
            ("Ленинский пр-т, 7", "ленинский проспект"),
            ("Ленинский проспект, 7", "пр. Ленинский"),
            ("Ленинский проспект, 7", "прос"),
            ("Санкт-Петербург, Невский, 1", "петербург невский"),
            ("Санкт-Петербург, Невский, 1", "Невский проспект"),
            ("Цветной б-р, 2", "бульвар цветной"),
        ] {
            assert!(has_all(address, filter), "{address}: {filter}");
        }
        for (address, filter) in [
            ("Ленинский проспект, 7", "улица Ленинский"),
            ("Тверская, 1", "москва тверская"),
            ("Тверская, 1", "верская"),
        ] {
            assert!(!has_all(address, filter), "{address}: {filter}");
        }
    }

    #[test]
    fn an_address_says_its_postal_code_and_place() {
        assert_eq!(postal_code("125009, Москва, Тверская, 1"), Some(125_009));
        assert_eq!(postal_code("Москва, Тверская, 1, 125009"), Some(125_009));
        assert_eq!(postal_code("Москва, Тверская, 1250091"), None);
        assert!(names("г. Нижний Новгород, Горького, 1", "Нижний Новгород"));
        assert!(names("Королёв, Мира, 1", "г. Королев"));
        assert!(!names("Новгород, Мира, 1", "Нижний Новгород"));
        assert!(!names("Москва, Тверская, 1", "г."));
        assert_eq!(shared_names("Москва, ул. Мира, 1", "улица Мира, Москва"), 2);
    }
}
