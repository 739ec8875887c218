//! Words that differ by one mistake.

/// Words with fewer letters are never taken for others.
pub const LETTERS_MIN: usize = 5;

/// Whether one letter more, less or another, or two that changed places, make
/// one word of the other.
#[must_use]
pub fn is_near(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.chars(), other.chars());
    loop {
        let (rest_of_one, rest_of_other) = (one.as_str(), other.as_str());
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b => {}
            (a, b) => {
                let (after_one, after_other) = (one.as_str(), other.as_str());
                if a.is_none() || b.is_none() {
                    return after_one.is_empty() && after_other.is_empty();
                }
                let are_swapped =
                    one.next() == b && other.next() == a && one.as_str() == other.as_str();
                return after_one == after_other
                    || rest_of_one == after_other
                    || after_one == rest_of_other
                    || are_swapped;
            }
        }
    }
}

/// Words by how many letters they have. Numbers are left out: another number is
/// no typo.
#[derive(Debug, Default)]
pub struct ByLength(Vec<Vec<Box<str>>>);

impl ByLength {
    /// Adds a word that was not added before.
    pub fn add(&mut self, word: &str) {
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            return;
        }
        let letters = word.chars().count();
        if self.0.len() <= letters {
            self.0.resize_with(letters + 1, Vec::new);
        }
        if let Some(words) = self.0.get_mut(letters) {
            words.push(word.into());
        }
    }

    /// The words that differ from this one by a mistake.
    pub fn near<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let letters = word.chars().count();
        let lengths = letters.saturating_sub(1)..=letters + 1;
        let words = lengths.filter_map(|length| self.0.get(length)).flatten();
        words.map(|other| &**other).filter(move |other| is_near(word, other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mistake_is_near_and_two_are_not() {
        for (one, other) in [
            ("молоко", "молоко"),
            ("молако", "молоко"),
            ("млоко", "молоко"),
            ("молокоо", "молоко"),
            ("омлоко", "молоко"),
            ("молоок", "молоко"),
            ("ммолоко", "молоко"),
            ("олоко", "молоко"),
            ("молок", "молоко"),
            ("a", ""),
        ] {
            assert!(is_near(one, other), "{one} {other}");
            assert!(is_near(other, one), "{other} {one}");
        }
        for (one, other) in
            [("малако", "молоко"), ("моло", "молоко"), ("око", "молоко"), ("окомол", "молоко")]
        {
            assert!(!is_near(one, other), "{one} {other}");
            assert!(!is_near(other, one), "{other} {one}");
        }
    }

    /// The same by a table of all distances.
    fn distance(one: &[char], other: &[char]) -> usize {
        let mut table = vec![vec![0_usize; other.len() + 1]; one.len() + 1];
        for a in 0..=one.len() {
            for b in 0..=other.len() {
                table[a][b] = if a == 0 || b == 0 {
                    a + b
                } else {
                    let differs = usize::from(one[a - 1] != other[b - 1]);
                    let mut least = (table[a - 1][b - 1] + differs)
                        .min(table[a - 1][b] + 1)
                        .min(table[a][b - 1] + 1);
                    let is_swap =
                        a > 1 && b > 1 && one[a - 1] == other[b - 2] && one[a - 2] == other[b - 1];
                    if is_swap {
                        least = least.min(table[a - 2][b - 2] + 1);
                    }
                    least
                };
            }
        }
        table[one.len()][other.len()]
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_a_table_of_distances(one in "[abя]{0,6}", other in "[abя]{0,6}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = distance(&chars(&one), &chars(&other)) <= 1;
            proptest::prop_assert_eq!(is_near(&one, &other), expected);
        }
    }
}
