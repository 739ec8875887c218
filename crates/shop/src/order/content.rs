//! What an order has: its lines, at prices that are frozen until they are
//! looked at again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Fingerprint, Money};

use crate::order_problem::{NewPrice, OrderProblem};
use crate::prices::Price;
use crate::product_id::ProductId;

/// The most lines of an order, and the most pieces of a line.
pub const LINES_MAX: usize = 100;
pub const QUANTITY_MAX: u64 = 1000;

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number within the order. It is never used again.
    pub id: u64,
    pub product: ProductId,
    pub article: String,
    pub name: String,
    pub price: Money,
    pub quantity: u64,
}

impl Line {
    /// What the line costs.
    #[must_use]
    pub fn total(&self) -> Money {
        // Nothing costs so much: it is shown as too much instead of wrapped.
        let kopecks = i128::from(self.price.kopecks()) * i128::from(self.quantity);
        Money::from_kopecks(i64::try_from(kopecks).unwrap_or(i64::MAX))
    }
}

/// The lines of an order, in the order in which they were added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    pub lines: Vec<Line>,
    /// The number of the next line.
    next: u64,
}

/// How many pieces of a product somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub product: ProductId,
    pub quantity: u64,
}

/// A line as a caller has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenLine {
    pub wanted: Wanted,
    pub price: Option<Money>,
}

/// A digest of what is wanted.
#[must_use]
pub fn digest(wanted: &[Wanted]) -> Fingerprint {
    let numbers = wanted.iter().flat_map(|one| [one.product.get(), one.quantity]);
    let bytes: Vec<u8> = numbers.flat_map(u64::to_be_bytes).collect();
    Fingerprint::of(&[&bytes])
}

impl Content {
    /// What the order costs.
    #[must_use]
    pub fn total(&self) -> Money {
        let kopecks: i64 =
            self.lines.iter().fold(0, |sum, line| line.total().kopecks().saturating_add(sum));
        Money::from_kopecks(kopecks)
    }

    /// Sets how many pieces of each product there are; 0 removes it. The others
    /// stay. All lines get the prices of now.
    ///
    /// # Errors
    /// When a product is not sold, or there would be too many lines.
    pub fn set(
        &mut self,
        wanted: &[Wanted],
        prices: &BTreeMap<ProductId, Price>,
    ) -> Result<(), OrderProblem> {
        for Wanted { product, quantity } in wanted {
            let place = self.lines.iter().position(|line| line.product == *product);
            // What is not sold any more is refused when the order is checked.
            if let Some(price) = prices.get(product).filter(|price| price.is_on_sale) {
                price.can_be_ordered(*quantity)?;
            }
            match (place, *quantity) {
                (Some(place), 0) => drop(self.lines.remove(place)),
                (None, 0) => {}
                (Some(place), quantity) => {
                    if let Some(line) = self.lines.get_mut(place) {
                        line.quantity = quantity;
                    }
                }
                (None, quantity) => self.add(*product, quantity, prices)?,
            }
        }
        for line in &mut self.lines {
            // What is not sold any more stays at its price until it is checked.
            if let Some(price) = prices.get(&line.product).filter(|price| price.is_on_sale) {
                line.price = price.price;
                line.name.clone_from(&price.name);
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        product: ProductId,
        quantity: u64,
        prices: &BTreeMap<ProductId, Price>,
    ) -> Result<(), OrderProblem> {
        let price = prices.get(&product).ok_or(OrderProblem::NoProduct(product))?;
        if !price.is_on_sale {
            return Err(OrderProblem::NotOnSale(price.name.clone()));
        }
        if self.lines.len() == LINES_MAX {
            return Err(OrderProblem::TooManyLines(LINES_MAX));
        }
        self.lines.push(Line {
            id: self.next,
            product,
            article: price.article.clone(),
            name: price.name.clone(),
            price: price.price,
            quantity,
        });
        self.next += 1;
        Ok(())
    }

    /// Gives all lines the prices of now. Returns those that have become
    /// dearer.
    ///
    /// # Errors
    /// When something is not sold any more.
    pub fn reprice(
        &mut self,
        prices: &BTreeMap<ProductId, Price>,
    ) -> Result<Vec<NewPrice>, OrderProblem> {
        let mut dearer = Vec::new();
        for line in &mut self.lines {
            let now = prices.get(&line.product);
            let now = now.ok_or_else(|| OrderProblem::NotOnSale(line.name.clone()))?;
            now.can_be_bought(line.quantity)?;
            if now.price > line.price {
                let name = line.name.clone();
                dearer.push(NewPrice {
                    product: line.product,
                    name,
                    old: line.price,
                    new: now.price,
                });
            }
            line.price = now.price;
        }
        Ok(dearer)
    }

    /// Whether it has exactly this.
    #[must_use]
    pub fn is(&self, seen: &[SeenLine]) -> bool {
        let has = |one: &SeenLine| {
            let Wanted { product, quantity } = one.wanted;
            self.lines.iter().any(|line| {
                line.product == product
                    && line.quantity == quantity
                    && one.price.is_none_or(|price| price == line.price)
            })
        };
        seen.len() == self.lines.len() && seen.iter().all(has)
    }
}
