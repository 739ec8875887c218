//! What an order consists of, and a hook's word on it.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::kernel::time::LocalTime;
use crate::kernel::{Fingerprint, Money, Quantity};

/// A line of an order. The same article may stand in several lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The shop's own article number.
    pub sku: String,
    /// What it is called, when the sender says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How much is to be picked.
    pub quantity: Quantity,
    /// How much was ordered at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_quantity: Option<Quantity>,
    /// The price of one unit of quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// The same with the discount. `0` may mean that there is none; nothing is computed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_price: Option<Money>,
    /// The line's sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The line's sum with the discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_total: Option<Money>,
    /// The article that stands in for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// The weight of weighed goods, in grams, as the sender wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_grams: Option<Quantity>,
}

/// When the order is wanted, in the sender's local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<LocalTime>,
    /// Not after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<LocalTime>,
}

/// What a hook says about an order's content. What it does not mention, or what could not be understood,
/// is `None` and leaves the content as it was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Patch {
    /// The shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// All lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Vec<Position>>,
    /// The order's sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The order's sum with discounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_total: Option<Money>,
    /// When it is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// A fingerprint of all the rest: the customer, the address, the comment, fields we do not know. It is
    /// personal data that nobody here needs, yet a difference in it must not pass unnoticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Fingerprint>,
}

/// What an order consists of at some moment of its life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The shop; empty when no hook has named it.
    pub store_id: String,
    /// The lines.
    pub positions: Vec<Position>,
    /// The sum.
    pub total: Option<Money>,
    /// The sum with discounts.
    pub discount_total: Option<Money>,
    /// When it is wanted.
    pub window: Option<Window>,
    /// The fingerprint of the rest.
    pub details: Option<Fingerprint>,
}

impl Content {
    /// Takes over everything that `patch` mentions.
    pub fn apply(&mut self, patch: &Patch) {
        let Patch { store_id, positions, total, discount_total, window, details } = patch;
        if let Some(store_id) = store_id {
            self.store_id.clone_from(store_id);
        }
        if let Some(positions) = positions {
            self.positions.clone_from(positions);
        }
        self.total = total.or(self.total);
        self.discount_total = discount_total.or(self.discount_total);
        self.window = window.or(self.window);
        self.details = details.or(self.details);
    }

    /// Takes over prices and sums, and leaves the composition alone. Returns whether the patch's
    /// composition is ours: lines are matched by article, repeated articles in their order.
    pub fn correct_prices(&mut self, patch: &Patch) -> bool {
        self.total = patch.total.or(self.total);
        self.discount_total = patch.discount_total.or(self.discount_total);
        let Some(priced) = &patch.positions else { return true };
        let mut unmatched: HashMap<&str, VecDeque<&Position>> = HashMap::new();
        for position in priced {
            unmatched.entry(&position.sku).or_default().push_back(position);
        }
        let mut same_composition = priced.len() == self.positions.len();
        for position in &mut self.positions {
            let Some(priced) = unmatched.get_mut(position.sku.as_str()).and_then(VecDeque::pop_front) else {
                same_composition = false;
                continue;
            };
            same_composition &= priced.quantity == position.quantity;
            position.price = priced.price.or(position.price);
            position.discount_price = priced.discount_price.or(position.discount_price);
            position.total = priced.total.or(position.total);
            position.discount_total = priced.discount_total.or(position.discount_total);
        }
        same_composition
    }
}
