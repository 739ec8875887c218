//! Stock levels of stores, and the movements that change them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::listing;
use crate::kernel::document;
use crate::kernel::{Document, HookId, Kind, ListName, Quantity, Timestamp, Unreadable};
use crate::orders::Number;

/// The most of an article that one order is promised: a million pieces.
const PROMISED_MAX: Quantity = Quantity::from_thousandths(1_000_000_000);

/// Quantities by store and article.
///
/// An order stores what was written off for it, and a movement is the
/// difference to what should be written off. So goods are written off once, and
/// a correction is a movement of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StockLevels(BTreeMap<String, BTreeMap<String, Quantity>>);

impl StockLevels {
    /// All goods of an order.
    #[must_use]
    pub fn of(content: &Content) -> StockLevels {
        let mut stock_levels = StockLevels::default();
        for position in &content.positions {
            stock_levels.add(&content.store_id, &position.sku, position.known_quantity());
        }
        stock_levels
    }

    /// Without quantities below zero, and none beyond what a store has: a hook
    /// may say anything.
    #[must_use]
    pub fn sane(mut self) -> StockLevels {
        for articles in self.0.values_mut() {
            articles.retain(|_, quantity| *quantity > Quantity::ZERO);
            for quantity in articles.values_mut() {
                *quantity = (*quantity).min(PROMISED_MAX);
            }
        }
        self.0.retain(|_, articles| !articles.is_empty());
        self
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, store_id: &str, sku: &str, quantity: Quantity) {
        if quantity != Quantity::ZERO {
            let held =
                self.0.entry(store_id.to_owned()).or_default().entry(sku.to_owned()).or_default();
            *held = *held + quantity;
        }
    }

    /// The lines that must be added to `self` to get `wanted`, without zeros.
    #[must_use]
    pub fn lines_towards(&self, wanted: &StockLevels) -> Vec<MovementLine> {
        let mut difference = wanted.clone();
        for (store_id, articles) in &self.0 {
            for (sku, quantity) in articles {
                difference.add(store_id, sku, -*quantity);
            }
        }
        let lines = difference.0.into_iter().flat_map(|(store_id, articles)| {
            articles.into_iter().map(move |(sku, quantity)| MovementLine {
                store_id: store_id.clone(),
                sku,
                quantity,
            })
        });
        lines.filter(|line| line.quantity != Quantity::ZERO).collect()
    }
}

/// The movement of one article in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementLine {
    pub store_id: String,
    pub sku: String,
    /// The quantity: negative if goods left, and the counted quantity for an
    /// opening balance.
    pub quantity: Quantity,
}

/// A movement of goods, kept for ever: it explains why a balance has its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Movement {
    /// Goods were written off for an order, or put back by a correction.
    Order {
        number: Number,
        /// The hook that caused it.
        hook: HookId,
        at: Timestamp,
        lines: Vec<MovementLine>,
    },
    /// The stock was counted: from here on the balance is this.
    Opening { at: Timestamp, lines: Vec<MovementLine> },
}

impl Movement {
    #[must_use]
    pub fn lines(&self) -> &[MovementLine] {
        match self {
            Movement::Order { lines, .. } | Movement::Opening { lines, .. } => lines,
        }
    }
}

impl Document for Movement {
    const KIND: Kind = Kind::new(4, "movements");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        vec![listing::movements()]
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Movement, Unreadable> {
        document::decode(schema, bytes)
    }
}
