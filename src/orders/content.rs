//! The content of an order, and what a hook states about it.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::positions::{Position, Positions};
use crate::kernel::{Fingerprint, LocalTime, Money};

/// The part of an order's composition that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unread {
    /// All of it was read.
    #[default]
    Nothing,
    /// This number of lines is missing.
    Lines(u32),
    /// The whole list could not be read, so the previous lines are kept.
    All,
}

impl Unread {
    fn is_nothing(&self) -> bool {
        *self == Unread::Nothing
    }
}

/// The wanted delivery time, in the sender's local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<LocalTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<LocalTime>,
}

/// What a hook states about an order's content. What it does not mention, or
/// what could not be understood, is `None` and leaves the content unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Patch {
    /// The store that picks the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// All lines of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Positions>,
    /// The part of the lines that could not be read.
    #[serde(default, skip_serializing_if = "Unread::is_nothing")]
    pub unread: Unread,
    /// The order's total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// The order's total with discounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_total: Option<Money>,
    /// The price of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_cost: Option<Money>,
    /// Whether a sum of the order is present but could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_unread_sum: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// A fingerprint of everything else: the customer, the address, the
    /// comment, unknown fields. It is personal data that is not needed here,
    /// but a difference in it must not go unnoticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Fingerprint>,
    /// Whether the patch had made a revision, if its lines were dropped because
    /// a later change has replaced them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtaken: Option<bool>,
}

impl Patch {
    /// Whether it states the order's composition, even if that could not be
    /// read.
    #[must_use]
    pub fn says_composition(&self) -> bool {
        self.positions.is_some() || self.unread != Unread::Nothing
    }

    /// Whether the patches in `newer` together set every field that this one
    /// sets, so that this one has no effect.
    #[must_use]
    pub fn is_covered_by<'a>(&self, newer: impl Iterator<Item = &'a Patch>) -> bool {
        let mut effective = self.says(self.has_unread_sum);
        let says_something = effective.contains(&true);
        for patch in newer {
            let says = patch.says(patch.says_composition());
            effective.iter_mut().zip(says).for_each(|(effective, says)| *effective &= !says);
        }
        says_something && !effective.contains(&true)
    }

    /// The fields that it sets. New lines set all sums: a sum that is not
    /// stated with them becomes stale.
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
    /// The total without discounts.
    pub total: Option<Money>,
    /// The total with discounts.
    pub discount_total: Option<Money>,
    /// The price of the delivery, if it is stated separately.
    pub delivery_cost: Option<Money>,
    /// Whether one of them was present but could not be read.
    pub has_unread: bool,
}

/// The content of an order at some moment of its life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The store that picks the order; empty if no hook has named it.
    pub store_id: String,
    pub positions: Positions,
    /// The part of the lines that could not be read.
    pub unread: Unread,
    /// The valid sums: stated by the hook that stated the lines, or later.
    pub sums: Sums,
    /// The sums that the hook of the lines states itself.
    pub own_sums: Sums,
    /// The wanted delivery time.
    pub window: Option<Window>,
    /// The fingerprint of everything else: see [`Patch::details`].
    pub details: Option<Fingerprint>,
}

impl Content {
    /// Applies everything that `patch` mentions. New lines make every sum stale
    /// that is not stated with them.
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

    /// Applies prices and sums, and leaves the composition unchanged. Returns
    /// whether the patch has the same composition as this content. Lines are
    /// matched by article; lines with the same article are matched in their
    /// order.
    pub fn correct_prices(&mut self, patch: &Patch) -> bool {
        self.state_sums(patch);
        let Some(priced) = &patch.positions else { return patch.unread == Unread::Nothing };
        let mut unmatched: HashMap<&str, VecDeque<&Position>> = HashMap::new();
        for position in priced {
            unmatched.entry(&position.sku).or_default().push_back(position);
        }
        let mut same_composition =
            priced.len() == self.positions.len() && patch.unread == Unread::Nothing;
        for position in self.positions.lines_mut() {
            let Some(priced) =
                unmatched.get_mut(position.sku.as_str()).and_then(VecDeque::pop_front)
            else {
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
