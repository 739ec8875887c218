//! The number of a product. Feeds name products by texts, and the contracts of
//! the services by numbers.

use std::fmt;

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Fingerprint, Partition, Subject};

/// Everything about a product is in the partition of its number.
const PRODUCTS: Subject = Subject::new(3);

/// Where documents about the whole catalogue are: no product has the number 0.
pub const CATALOGUE: Partition = Partition::of(PRODUCTS, 0);

/// A feed's own number has at most so many digits, and is less than any that is
/// made of a text.
const OWN_DIGITS_MAX: usize = 15;

/// Numbers that are made of texts have this bit, and are less than 2⁵³: every
/// reader of JSON keeps them.
const OF_TEXT: u64 = 1 << 52;

/// The number of what a feed calls `text`.
pub fn number_of(kind: &[u8], text: &str) -> u64 {
    let is_own = (1..=OWN_DIGITS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    // People recognise the number that the feed has.
    let own = if is_own { text.parse().ok() } else { None };
    own.unwrap_or_else(|| {
        let digest = Fingerprint::of(&[kind, text.as_bytes()]).get() as u64;
        OF_TEXT | (digest & (OF_TEXT - 1))
    })
}

/// The number of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProductId(u64);

impl ProductId {
    pub const MAX: u64 = (1 << 53) - 1;

    /// The least number.
    pub const LEAST: ProductId = ProductId(1);

    /// The number, if it can be that of a product.
    #[must_use]
    pub const fn new(number: u64) -> Option<ProductId> {
        if number > 0 && number <= ProductId::MAX { Some(ProductId(number)) } else { None }
    }

    /// The number of the offer that a feed calls `article`.
    #[must_use]
    pub fn of_article(article: &str) -> ProductId {
        ProductId(number_of(b"product", article))
    }

    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn partition(self) -> Partition {
        Partition::of(PRODUCTS, self.0)
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feeds_own_number_is_kept_and_a_text_gets_one_of_its_own() {
        assert_eq!(ProductId::of_article("4031").get(), 4031);
        let texts = ["", "0", "007", "A-12", "a-12", "1234567890123456", "４０３１"];
        let mut numbers: Vec<u64> =
            texts.iter().map(|text| ProductId::of_article(text).get()).collect();
        assert!(numbers.iter().all(|number| (OF_TEXT..=ProductId::MAX).contains(number)));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), texts.len());
        assert_ne!(number_of(b"other", "A-12"), ProductId::of_article("A-12").get());
        assert!(ProductId::new(0).is_none() && ProductId::new(ProductId::MAX + 1).is_none());
    }
}
