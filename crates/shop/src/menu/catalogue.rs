//! What many people see alike: all products on sale, in memory, with the index
//! by which they are found. It is a cache of the store.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use tillgate_kernel::Money;

use super::categories::{Categories, Category};
use super::category_id::CategoryId;
use super::product::Product;
use super::question::{Position, Question, Sort};
use super::search::index::{Index, Slot, Texts};
use super::search::words::folded;
use super::sorted::{SortKey, Sorted};
use crate::product_id::ProductId;

/// What a card of a product shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub id: ProductId,
    pub article: Arc<str>,
    pub name: Arc<str>,
    pub price: Money,
    pub old_price: Option<Money>,
    pub category: CategoryId,
    /// The address of its picture in the shop.
    pub picture: Option<Box<str>>,
    vendor: Option<Box<str>>,
    /// The vendor's code and barcodes.
    codes: Box<[Box<str>]>,
}

impl Card {
    fn of(product: &Product) -> Card {
        let offer = &product.offer;
        let codes = offer.vendor_code.iter().chain(&offer.barcodes);
        Card {
            id: offer.id(),
            article: offer.article.as_str().into(),
            name: offer.name.as_str().into(),
            price: offer.price,
            old_price: offer.old_price,
            category: offer.category,
            picture: product.picture.as_ref().map(|picture| picture.address().into()),
            vendor: offer.vendor.as_deref().map(Into::into),
            codes: codes.map(|code| code.as_str().into()).collect(),
        }
    }

    /// Whether it is found by the same words.
    fn is_found_as(&self, other: &Card) -> bool {
        self.name == other.name
            && self.article == other.article
            && self.category == other.category
            && self.vendor == other.vendor
            && self.codes == other.codes
    }

    fn sort_key(&self) -> SortKey {
        SortKey { name: folded_name(&self.name), price: self.price, id: self.id }
    }
}

/// Names in the order of an alphabet, whatever the case.
fn folded_name(name: &str) -> Arc<str> {
    let words: Vec<String> = name.split_whitespace().map(folded).collect();
    words.join(" ").into()
}

/// A category with those directly below it.
#[derive(Debug, Clone)]
struct Node {
    category: Category,
    children: Vec<CategoryId>,
}

/// What a search looks at of a product that has the words.
#[derive(Debug, Clone, Copy)]
struct Brief {
    id: ProductId,
    price: Money,
}

/// The products on sale.
#[derive(Debug, Default)]
pub struct Catalogue {
    cards: Vec<Option<Card>>,
    /// Of each card what a search looks at: thousands of them for one answer,
    /// so they lie close to each other.
    briefs: Vec<Option<Brief>>,
    slots: HashMap<ProductId, Slot>,
    index: Index,
    all: Sorted,
    /// The same within each category and all below it.
    of_category: HashMap<CategoryId, Sorted>,
    categories: HashMap<CategoryId, Node>,
    tops: Vec<CategoryId>,
}

fn path_in(categories: &HashMap<CategoryId, Node>, id: CategoryId) -> Vec<&Category> {
    let category = |id: CategoryId| categories.get(&id).map(|node| &node.category);
    let above = |below: &&Category| below.parent.and_then(category);
    let mut path: Vec<&Category> =
        std::iter::successors(category(id), above).take(DEPTH_MAX).collect();
    path.reverse();
    path
}

/// Products that fit a question, in their order.
#[derive(Debug, Default)]
pub struct Fitting {
    pub cards: Vec<(Position, Card)>,
    pub has_more: bool,
}

impl Catalogue {
    /// The number of products on sale.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    #[must_use]
    pub fn card(&self, id: ProductId) -> Option<&Card> {
        self.slots.get(&id).and_then(|slot| self.cards.get(*slot as usize)?.as_ref())
    }

    #[must_use]
    pub fn category(&self, id: CategoryId) -> Option<&Category> {
        self.categories.get(&id).map(|node| &node.category)
    }

    /// The categories below this one, or at the top.
    pub fn below(&self, id: Option<CategoryId>) -> impl Iterator<Item = &Category> {
        let children = match id {
            Some(id) => self.categories.get(&id).map_or(&[][..], |node| &node.children),
            None => &self.tops,
        };
        children.iter().filter_map(|child| self.category(*child))
    }

    /// The category and those above it, the topmost first.
    #[must_use]
    pub fn path(&self, id: CategoryId) -> Vec<&Category> {
        path_in(&self.categories, id)
    }

    /// The number of products in a category and below it.
    #[must_use]
    pub fn count_in(&self, id: CategoryId) -> usize {
        self.of_category.get(&id).map_or(0, Sorted::count)
    }

    /// The same products, in these categories if they are given, without the
    /// places of removed ones.
    #[must_use]
    pub fn rebuilt(&self, categories: Option<&Categories>) -> Catalogue {
        let mut rebuilt = Catalogue::default();
        match categories {
            Some(categories) => rebuilt.set_categories(categories),
            None => {
                rebuilt.categories = self.categories.clone();
                rebuilt.tops = self.tops.clone();
            }
        }
        for card in self.cards.iter().flatten() {
            rebuilt.add(card.clone());
        }
        rebuilt
    }

    /// Whether it has more places of removed products than products.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        let removed = self.cards.len() - self.slots.len();
        removed > REMOVED_MIN && removed > self.slots.len()
    }

    fn set_categories(&mut self, categories: &Categories) {
        for category in &categories.all {
            let node = Node { category: category.clone(), children: Vec::new() };
            self.categories.insert(category.id, node);
        }
        for category in &categories.all {
            match category.parent.and_then(|parent| self.categories.get_mut(&parent)) {
                Some(parent) => parent.children.push(category.id),
                None => self.tops.push(category.id),
            }
        }
    }

    /// Takes in what is stored of a product.
    pub fn put(&mut self, product: &Product) {
        let card = Card::of(product);
        let kept = self.slots.get(&card.id).copied();
        if !product.is_on_sale() {
            if let Some(slot) = kept {
                self.remove(slot);
            }
            return;
        }
        let old = kept.and_then(|slot| self.cards.get(slot as usize)?.as_ref());
        if let (Some(slot), true) = (kept, old.is_some_and(|old| old.is_found_as(&card))) {
            self.replace(slot, card);
            return;
        }
        if let Some(slot) = kept {
            self.remove(slot);
        }
        self.add(card);
    }

    /// Replaces a product by one that is found by the same words.
    fn replace(&mut self, slot: Slot, card: Card) {
        let Some(place) = self.cards.get_mut(slot as usize) else { return };
        let (new, category) = (card.sort_key(), card.category);
        let brief = Brief { id: card.id, price: card.price };
        if let Some(known) = self.briefs.get_mut(slot as usize) {
            *known = Some(brief);
        }
        let Some(old) = place.replace(card).map(|old| old.sort_key()) else { return };
        if old.price == new.price {
            return;
        }
        let path = path_in(&self.categories, category);
        for category in path {
            if let Some(sorted) = self.of_category.get_mut(&category.id) {
                sorted.remove(&old);
                sorted.insert(&new);
            }
        }
        self.all.remove(&old);
        self.all.insert(&new);
    }

    fn add(&mut self, card: Card) {
        let Ok(slot) = Slot::try_from(self.cards.len()) else { return };
        let key = card.sort_key();
        // Read by fields, because the index is changed meanwhile.
        let path = path_in(&self.categories, card.category);
        let names = path.iter().map(|category| category.name.as_str());
        let others = card.vendor.as_deref().into_iter().chain(names).collect();
        let codes = card.codes.iter().map(|code| &**code);
        let codes = std::iter::once(&*card.article).chain(codes).collect();
        self.index.add(slot, &Texts { name: &card.name, others, codes });
        for category in &path {
            self.of_category.entry(category.id).or_default().insert(&key);
        }
        self.all.insert(&key);
        self.slots.insert(card.id, slot);
        self.briefs.push(Some(Brief { id: card.id, price: card.price }));
        self.cards.push(Some(card));
    }

    fn remove(&mut self, slot: Slot) {
        let Some(card) = self.cards.get_mut(slot as usize).and_then(Option::take) else { return };
        let key = card.sort_key();
        for category in path_in(&self.categories, card.category) {
            if let Some(sorted) = self.of_category.get_mut(&category.id) {
                sorted.remove(&key);
            }
        }
        self.all.remove(&key);
        self.slots.remove(&card.id);
        if let Some(known) = self.briefs.get_mut(slot as usize) {
            *known = None;
        }
    }

    /// The products that fit a question, after its position.
    #[must_use]
    pub fn find(&self, question: &Question) -> Fitting {
        if question.text.is_empty() { self.browse(question) } else { self.search(question) }
    }

    /// A page of a category, or of everything.
    fn browse(&self, question: &Question) -> Fitting {
        let sorted = match question.category {
            Some(id) => self.of_category.get(&id),
            None => Some(&self.all),
        };
        let mut page = Fitting::default();
        let Some(sorted) = sorted else { return page };
        for position in sorted.after(question) {
            let Some(card) = self.card(position.id()) else { continue };
            if !question.price.contains(&card.price) {
                continue;
            }
            if page.cards.len() == question.limit {
                page.has_more = true;
                break;
            }
            page.cards.push((position, card.clone()));
        }
        page
    }

    /// The products in which the words of a question occur.
    fn search(&self, question: &Question) -> Fitting {
        let is_within = |card: &Card| {
            question
                .category
                .is_none_or(|id| self.path(card.category).iter().any(|category| category.id == id))
        };
        let fits = |slot: Slot, brief: &Brief| {
            let card = || self.cards.get(slot as usize)?.as_ref();
            let is_in_category = question.category.is_none() || card().is_some_and(is_within);
            question.price.contains(&brief.price) && is_in_category
        };
        // Of many only the first are kept, and only those are looked at whole.
        let mut first: BinaryHeap<(Position, Slot)> = BinaryHeap::new();
        let mut has_more = false;
        let is_live = |slot: Slot| self.briefs.get(slot as usize).is_some_and(Option::is_some);
        for (slot, score) in self.index.find(&question.text, self.cards.len(), is_live) {
            let Some(Some(brief)) = self.briefs.get(slot as usize) else { continue };
            let position = match question.sort {
                Sort::Fit => Position::Fit(Reverse(score), brief.id),
                Sort::Cheapest => Position::Cheapest(brief.price, brief.id),
                Sort::Dearest => Position::Dearest(Reverse(brief.price), brief.id),
            };
            let is_after = question.after.as_ref().is_none_or(|after| position > *after);
            if !is_after || !fits(slot, brief) {
                continue;
            }
            if first.len() < question.limit {
                first.push((position, slot));
                continue;
            }
            has_more = true;
            if let Some(mut last) = first.peek_mut()
                && position < last.0
            {
                *last = (position, slot);
            }
        }
        let card = |(position, slot): (Position, Slot)| {
            let card = self.cards.get(slot as usize)?.clone()?;
            Some((position, card))
        };
        Fitting { cards: first.into_sorted_vec().into_iter().filter_map(card).collect(), has_more }
    }
}

/// The deepest category that is looked at.
const DEPTH_MAX: usize = 32;

/// The index keeps at least so many places of products that were removed.
const REMOVED_MIN: usize = 1000;
