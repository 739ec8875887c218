//! The part of a change that pickers need to know.

use std::collections::BTreeMap;

use super::content::{Content, Unread, Window};
use crate::kernel::Quantity;

/// A change in the quantity of one article. A quantity of zero means that the
/// article was added or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionChange {
    pub sku: String,
    /// The name of the article, if known.
    pub name: Option<String>,
    /// The quantity before.
    pub from: Quantity,
    /// The quantity after.
    pub to: Quantity,
    /// Whether a quantity of the article could not be read: `to` is then only
    /// the part that is known.
    pub is_unread: bool,
    /// The article that now replaces it, if that is new.
    pub replaced_by: Option<String>,
}

/// The differences between two contents that matter for picking: composition,
/// delivery time, store. Prices do not matter for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Changed articles, ordered by article number.
    pub positions: Vec<PositionChange>,
    /// The part of the new lines that could not be read, if that is new.
    pub unread: Option<Unread>,
    /// The new delivery time, if it has changed.
    pub window: Option<Window>,
    /// The new store, if it has changed.
    pub store_id: Option<String>,
    /// Whether something else about the order has changed: the customer, the
    /// address, the comment.
    pub details: bool,
}

#[derive(Default, PartialEq, Eq)]
struct Article<'a> {
    quantity: Quantity,
    is_unread: bool,
    name: Option<&'a str>,
    replaced_by: Option<&'a str>,
}

fn articles(content: &Content) -> BTreeMap<&str, Article<'_>> {
    let mut articles: BTreeMap<&str, Article<'_>> = BTreeMap::new();
    for position in &content.positions {
        let article = articles.entry(&position.sku).or_default();
        article.quantity = article.quantity + position.known_quantity();
        article.is_unread |= position.quantity.is_none();
        article.name = article.name.or(position.name.as_deref());
        article.replaced_by = article.replaced_by.or(position.replaced_by.as_deref());
    }
    articles
}

impl Difference {
    /// The difference from `before` to `after`.
    #[must_use]
    pub fn between(before: &Content, after: &Content) -> Difference {
        let (old, new) = (articles(before), articles(after));
        let nothing = Article::default();
        let skus: std::collections::BTreeSet<&str> =
            old.keys().chain(new.keys()).copied().collect();
        let changes = skus.into_iter().filter_map(|sku| {
            let (was, is) = (old.get(sku).unwrap_or(&nothing), new.get(sku).unwrap_or(&nothing));
            let replaced_by = is.replaced_by.filter(|_| is.replaced_by != was.replaced_by);
            let is_other = (was.quantity, was.is_unread) != (is.quantity, is.is_unread);
            (is_other || replaced_by.is_some()).then(|| PositionChange {
                sku: sku.to_owned(),
                name: is.name.or(was.name).map(str::to_owned),
                from: was.quantity,
                to: is.quantity,
                is_unread: is.is_unread,
                replaced_by: replaced_by.map(str::to_owned),
            })
        });
        Difference {
            positions: changes.collect(),
            unread: (before.unread != after.unread && after.unread != Unread::Nothing)
                .then_some(after.unread),
            window: after.window.filter(|window| before.window != Some(*window)),
            store_id: (before.store_id != after.store_id).then(|| after.store_id.clone()),
            details: before.details != after.details,
        }
    }

    /// Whether pickers must do something differently. A new comment or address
    /// alone does not matter to them.
    #[must_use]
    pub fn concerns_pickers(&self) -> bool {
        !self.positions.is_empty()
            || self.unread.is_some()
            || self.window.is_some()
            || self.store_id.is_some()
    }
}
