//! Compares a feed with what is stored.

use std::collections::HashMap;

use tillgate_kernel::Fingerprint;

use super::categories::Categories;
use super::feed::Feed;
use super::keep::{Changes, KeptOffer};

/// What is stored, by article.
#[derive(Debug, Default)]
pub struct Stored {
    offers: HashMap<String, (Fingerprint, bool)>,
    categories: Categories,
}

/// What an import changes, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    pub new: usize,
    pub changed: usize,
    pub same: usize,
    /// Of the products that are on sale.
    pub vanished: usize,
    pub on_sale: usize,
    pub skipped: usize,
    pub categories: usize,
    pub categories_changed: bool,
}

impl Stored {
    #[must_use]
    pub fn new(categories: Categories) -> Stored {
        Stored { offers: HashMap::new(), categories }
    }

    /// Whether there is a product with this article.
    #[must_use]
    pub fn has(&self, article: &str) -> bool {
        self.offers.contains_key(article)
    }

    /// Adds a page of what is stored.
    pub fn add(&mut self, items: Vec<KeptOffer>) {
        // A product that was changed meanwhile comes again, later in the list.
        let items = items.into_iter();
        self.offers.extend(items.map(|kept| (kept.article, (kept.digest, kept.is_listed))));
    }

    /// What must be changed for the store to have what the feed has.
    #[must_use]
    pub fn differences(mut self, feed: Feed) -> (Counts, Changes) {
        let mut counts = Counts {
            skipped: feed.skipped.len(),
            on_sale: self.offers.values().filter(|(_, is_listed)| *is_listed).count(),
            categories: feed.categories.all.len(),
            categories_changed: feed.categories != self.categories,
            ..Counts::default()
        };
        let mut changes = Changes::default();
        for offer in feed.offers {
            match self.offers.remove(&offer.article) {
                Some((digest, true)) if digest == offer.digest() => {
                    counts.same += 1;
                    continue;
                }
                Some(_) => counts.changed += 1,
                None => counts.new += 1,
            }
            changes.offers.push(offer);
        }
        let rest = self.offers.into_iter();
        changes.vanished =
            rest.filter(|(_, (_, is_listed))| *is_listed).map(|(article, _)| article).collect();
        changes.vanished.sort_unstable();
        counts.vanished = changes.vanished.len();
        changes.categories = counts.categories_changed.then_some(feed.categories);
        (counts, changes)
    }
}
