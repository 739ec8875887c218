//! What an order consists of, and a hook's word on it.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::kernel::{Fingerprint, LocalTime, Money, Quantity};

/// A line of an order. The same article may stand in several lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The shop's own article number.
    pub sku: String,
    /// What it is called, when the sender says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How much is to be picked; none when the sender's number could not be read. No other field stands in for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
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
    /// A price or sum of it is there and could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_unread_sum: bool,
    /// The article that stands in for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// The weight of weighed goods, in grams, as the sender wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_grams: Option<Quantity>,
}

impl Position {
    /// How much is to be picked, as far as it is known.
    #[must_use]
    pub fn known_quantity(&self) -> Quantity {
        self.quantity.unwrap_or_default()
    }

    /// Whether the buyer pays for it: not for what was taken out, nor for what another article stands in for.
    #[must_use]
    pub fn is_charged(&self) -> bool {
        self.quantity != Some(Quantity::ZERO) && self.replaced_by.is_none()
    }
}

/// What of an order's composition could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unread {
    /// All of it was read.
    #[default]
    Nothing,
    /// So many lines are missing.
    Lines(u32),
    /// The whole list: the lines are those of before.
    All,
}

impl Unread {
    fn is_nothing(&self) -> bool {
        *self == Unread::Nothing
    }
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
    /// What of the lines could not be read.
    #[serde(default, skip_serializing_if = "Unread::is_nothing")]
    pub unread: Unread,
    /// The order's sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The order's sum with discounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_total: Option<Money>,
    /// What the delivery costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_cost: Option<Money>,
    /// A sum of the order is there and could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_unread_sum: bool,
    /// When it is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// A fingerprint of all the rest: the customer, the address, the comment, fields we do not know. It is
    /// personal data that nobody here needs, yet a difference in it must not pass unnoticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Fingerprint>,
    /// Its lines were dropped, as those of a later change stand in their stead; whether it had made a revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtaken: Option<bool>,
}

impl Patch {
    /// Whether it says something of the lines, even if that could not be read.
    #[must_use]
    pub fn says_composition(&self) -> bool {
        self.positions.is_some() || self.unread != Unread::Nothing
    }

    /// Whether those of `newer` speak of everything that this one speaks of, so that nothing of it stands.
    #[must_use]
    pub fn is_covered_by<'a>(&self, newer: impl Iterator<Item = &'a Patch>) -> bool {
        let mut stands = self.says(self.has_unread_sum);
        let says_something = stands.contains(&true);
        for patch in newer {
            let says = patch.says(patch.says_composition());
            stands.iter_mut().zip(says).for_each(|(stands, says)| *stands &= !says);
        }
        says_something && !stands.contains(&true)
    }

    /// What it speaks of, field by field. New lines speak of all sums: they make stale what is not stated with them.
    fn says(&self, of_all_sums: bool) -> [bool; 7] {
        [
            self.store_id.is_some(),
            self.says_composition(),
            self.total.is_some() || of_all_sums,
            self.discount_total.is_some() || of_all_sums,
            self.delivery_cost.is_some() || of_all_sums,
            self.window.is_some(),
            self.details.is_some(),
        ]
    }
}

/// The sums of an order, as hooks state them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Without discounts.
    pub total: Option<Money>,
    /// With discounts.
    pub discount_total: Option<Money>,
    /// The delivery, where it has a price of its own.
    pub delivery_cost: Option<Money>,
    /// One of them was there and could not be read.
    pub has_unread: bool,
}

/// What an order consists of at some moment of its life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The shop; empty when no hook has named it.
    pub store_id: String,
    /// The lines.
    pub positions: Vec<Position>,
    /// What of the lines could not be read.
    pub unread: Unread,
    /// The sums that hold: stated by the hook of these lines, or later.
    pub sums: Sums,
    /// The sums that the hook of these lines states itself.
    pub own_sums: Sums,
    /// When it is wanted.
    pub window: Option<Window>,
    /// The fingerprint of the rest.
    pub details: Option<Fingerprint>,
}

impl Content {
    /// Takes over everything that `patch` mentions. New lines make every sum stale that is not stated with them.
    pub fn apply(&mut self, patch: &Patch) {
        if let Some(store_id) = &patch.store_id {
            self.store_id.clone_from(store_id);
        }
        if let Some(positions) = &patch.positions {
            self.positions.clone_from(positions);
        }
        if patch.says_composition() {
            self.unread = patch.unread;
        }
        self.state_sums(patch);
        self.window = patch.window.or(self.window);
        self.details = patch.details.or(self.details);
    }

    fn state_sums(&mut self, patch: &Patch) {
        let Patch { total, discount_total, delivery_cost, has_unread_sum, .. } = *patch;
        if patch.says_composition() {
            self.sums = Sums { total, discount_total, delivery_cost, has_unread: has_unread_sum };
            self.own_sums = self.sums;
            return;
        }
        self.sums.total = total.or(self.sums.total);
        self.sums.discount_total = discount_total.or(self.sums.discount_total);
        self.sums.delivery_cost = delivery_cost.or(self.sums.delivery_cost);
        self.sums.has_unread |= has_unread_sum;
    }

    /// Takes over prices and sums, and leaves the composition alone. Returns whether the patch's
    /// composition is ours: lines are matched by article, repeated articles in their order.
    pub fn correct_prices(&mut self, patch: &Patch) -> bool {
        self.state_sums(patch);
        let Some(priced) = &patch.positions else { return patch.unread == Unread::Nothing };
        let mut unmatched: HashMap<&str, VecDeque<&Position>> = HashMap::new();
        for position in priced {
            unmatched.entry(&position.sku).or_default().push_back(position);
        }
        let mut same_composition = priced.len() == self.positions.len() && patch.unread == Unread::Nothing;
        for position in &mut self.positions {
            let Some(priced) = unmatched.get_mut(position.sku.as_str()).and_then(VecDeque::pop_front) else {
                same_composition = false;
                (position.total, position.discount_total) = (None, None);
                continue;
            };
            same_composition &= priced.quantity == position.quantity;
            position.price = priced.price.or(position.price);
            position.discount_price = priced.discount_price.or(position.discount_price);
            (position.total, position.discount_total) = (priced.total, priced.discount_total);
        }
        same_composition
    }
}
