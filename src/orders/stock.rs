//! Goods that leave a shop's balance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::content::Content;
use crate::kernel::document::{decode_json, encode_json};
use crate::kernel::{Document, HookId, Kind, Quantity, Timestamp, Unreadable};
use crate::orders::Number;

/// Quantities by shop and article.
///
/// An order remembers what it has had written off, and a movement is the difference to what should be: so
/// it happens once, and a correction is a movement of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shelf(BTreeMap<String, BTreeMap<String, Quantity>>);

impl Shelf {
    /// All goods of an order.
    #[must_use]
    pub fn of(content: &Content) -> Shelf {
        let mut shelf = Shelf::default();
        for position in &content.positions {
            shelf.add(&content.store_id, &position.sku, position.known_quantity());
        }
        shelf
    }

    fn add(&mut self, store_id: &str, sku: &str, quantity: Quantity) {
        if quantity != Quantity::ZERO {
            let held = self.0.entry(store_id.to_owned()).or_default().entry(sku.to_owned()).or_default();
            *held = *held + quantity;
        }
    }

    /// What must be added to `self` to make it `wanted`, without the zeros.
    #[must_use]
    pub fn lines_towards(&self, wanted: &Shelf) -> Vec<MovementLine> {
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

/// How much of one article moved in one shop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementLine {
    /// The shop.
    pub store_id: String,
    /// The article.
    pub sku: String,
    /// How much: below zero when it left, and for an opening balance what was counted.
    pub quantity: Quantity,
}

/// A movement of goods, kept for ever: why a balance is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Movement {
    /// An order took goods, or gave some back by a correction.
    Order {
        /// The order.
        number: Number,
        /// The hook that caused it.
        hook: HookId,
        /// When it was written.
        at: Timestamp,
        /// What moved.
        lines: Vec<MovementLine>,
    },
    /// Somebody counted: from here on the balance is this.
    Opening {
        /// When it was written.
        at: Timestamp,
        /// What was counted.
        lines: Vec<MovementLine>,
    },
}

impl Movement {
    /// What moved.
    #[must_use]
    pub fn lines(&self) -> &[MovementLine] {
        match self {
            Movement::Order { lines, .. } | Movement::Opening { lines, .. } => lines,
        }
    }
}

impl Document for Movement {
    const KIND: Kind = Kind::listed(4, "movements");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        encode_json(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Movement, Unreadable> {
        decode_json(schema, bytes)
    }
}
