//! The lines of an order.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::kernel::{Money, Quantity};

/// A line of an order. Several lines may have the same article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The merchant's article number.
    pub sku: String,
    /// The name of the article, if the sender states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The quantity to pick; `None` if the sender's number could not be read.
    /// No other field replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// The quantity that was ordered originally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_quantity: Option<Quantity>,
    /// The price of one unit of quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// The price of one unit of quantity with the discount. `0` may mean that
    /// there is no discount; nothing is computed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_price: Option<Money>,
    /// The line's total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The line's total with the discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_total: Option<Money>,
    /// Whether a price or total of the line is present but could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_unread_sum: bool,
    /// The article that replaces this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// The weight of weighed goods, in grams, as the sender wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_grams: Option<Quantity>,
}

impl Position {
    /// The quantity to pick, or zero if it is not known.
    #[must_use]
    pub fn known_quantity(&self) -> Quantity {
        self.quantity.unwrap_or_default()
    }

    /// Whether the buyer pays for the line: not if it was removed from the
    /// order, and not if another article replaces it.
    #[must_use]
    pub fn is_charged(&self) -> bool {
        self.quantity != Some(Quantity::ZERO) && self.replaced_by.is_none()
    }
}

/// The lines of an order, in the order in which they were sent. Clones share
/// them: the fold of an order, and what follows from it, copies no line.
#[derive(Debug, Clone, Default)]
pub struct Positions(Arc<Vec<Position>>);

impl Positions {
    /// The lines, to be changed. Clones stay as they are.
    pub(super) fn lines_mut(&mut self) -> &mut [Position] {
        Arc::<Vec<Position>>::make_mut(&mut self.0)
    }
}

impl Deref for Positions {
    type Target = [Position];

    fn deref(&self) -> &[Position] {
        &self.0
    }
}

impl PartialEq for Positions {
    fn eq(&self, other: &Positions) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Positions {}

impl From<Vec<Position>> for Positions {
    fn from(positions: Vec<Position>) -> Positions {
        Positions(Arc::new(positions))
    }
}

impl FromIterator<Position> for Positions {
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Positions {
        positions.into_iter().collect::<Vec<Position>>().into()
    }
}

impl<'a> IntoIterator for &'a Positions {
    type Item = &'a Position;
    type IntoIter = std::slice::Iter<'a, Position>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Serialize for Positions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Positions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Positions, D::Error> {
        Vec::deserialize(deserializer).map(Positions::from)
    }
}
