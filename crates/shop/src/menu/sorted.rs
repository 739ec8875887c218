//! Products in every order in which pages show them.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use tillgate_kernel::Money;

use super::question::{Position, Question, Sort};
use crate::product_id::ProductId;

/// The products of a category, or all, in each order.
#[derive(Debug, Default)]
pub struct Sorted {
    names: BTreeSet<(Arc<str>, ProductId)>,
    cheapest: BTreeSet<(Money, ProductId)>,
    dearest: BTreeSet<(Reverse<Money>, ProductId)>,
}

/// By what a product is sorted.
#[derive(Debug, Clone)]
pub struct SortKey {
    pub name: Arc<str>,
    pub price: Money,
    pub id: ProductId,
}

/// What comes after `after`; without it, from `first` on.
fn from<K: Ord + Clone>(
    set: &BTreeSet<(K, ProductId)>,
    after: Option<(K, ProductId)>,
    first: Option<K>,
) -> impl Iterator<Item = &(K, ProductId)> {
    let start = match (after, first) {
        (Some(after), _) => Bound::Excluded(after),
        (None, Some(first)) => Bound::Included((first, ProductId::LEAST)),
        (None, None) => Bound::Unbounded,
    };
    set.range((start, Bound::Unbounded))
}

impl Sorted {
    pub fn insert(&mut self, key: &SortKey) {
        self.names.insert((Arc::clone(&key.name), key.id));
        self.cheapest.insert((key.price, key.id));
        self.dearest.insert((Reverse(key.price), key.id));
    }

    pub fn remove(&mut self, key: &SortKey) {
        self.names.remove(&(Arc::clone(&key.name), key.id));
        self.cheapest.remove(&(key.price, key.id));
        self.dearest.remove(&(Reverse(key.price), key.id));
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The products in the order of a question, after its position and within
    /// its prices.
    pub fn after<'a>(
        &'a self,
        question: &Question,
    ) -> Box<dyn Iterator<Item = Position> + Send + 'a> {
        let (least, most) = (*question.price.start(), *question.price.end());
        match question.sort {
            Sort::Fit => {
                let after = question.after.as_ref().and_then(Position::name);
                let names = from(&self.names, after, None);
                Box::new(names.map(|(name, id)| Position::Name(Arc::clone(name), *id)))
            }
            Sort::Cheapest => {
                let after = question.after.as_ref().and_then(Position::cheapest);
                let prices = from(&self.cheapest, after, Some(least));
                let prices = prices.take_while(move |(price, _)| *price <= most);
                Box::new(prices.map(|(price, id)| Position::Cheapest(*price, *id)))
            }
            Sort::Dearest => {
                let after = question.after.as_ref().and_then(Position::dearest);
                let prices = from(&self.dearest, after, Some(Reverse(most)));
                let prices = prices.take_while(move |(price, _)| price.0 >= least);
                Box::new(prices.map(|(price, id)| Position::Dearest(*price, *id)))
            }
        }
    }
}
