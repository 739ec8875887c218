//! Limits how many buyers' pages follow payments live: in total, and per order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::orders::Number;

/// The most pages that are followed at the same time. The others poll.
const LIVE_PAGES_MAX: usize = 1000;

/// The most pages of one order: a buyer has a few devices.
const LIVE_PAGES_PER_ORDER_MAX: usize = 5;

/// Counts the followed pages of each order.
#[derive(Debug, Clone, Default)]
pub struct LivePages(Arc<Mutex<HashMap<Number, usize>>>);

/// The slot of one page. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct LivePage {
    pages: LivePages,
    number: Number,
}

impl LivePages {
    fn followed(&self) -> MutexGuard<'_, HashMap<Number, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a slot for a page of an order. `None` if the order, or all orders
    /// together, have no free slot.
    pub(super) fn take(&self, number: Number) -> Option<LivePage> {
        let mut followed = self.followed();
        let of_order = followed.get(&number).copied().unwrap_or_default();
        if of_order >= LIVE_PAGES_PER_ORDER_MAX
            || followed.values().sum::<usize>() >= LIVE_PAGES_MAX
        {
            return None;
        }
        followed.insert(number, of_order + 1);
        drop(followed);
        Some(LivePage { pages: self.clone(), number })
    }
}

impl Drop for LivePage {
    fn drop(&mut self) {
        let mut followed = self.pages.followed();
        match followed.get_mut(&self.number) {
            Some(of_order) if *of_order > 1 => *of_order -= 1,
            _ => drop(followed.remove(&self.number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_page_of_an_order_is_not_followed_and_another_orders_is() {
        let pages = LivePages::default();
        let (one, other) = (Number::smallest(), Number::largest());
        let mut held: Vec<_> =
            (0..LIVE_PAGES_PER_ORDER_MAX).map(|_| pages.take(one).expect("a slot")).collect();
        assert!(pages.take(one).is_none());
        drop(pages.take(other).expect("a slot"));
        held.pop();
        assert!(pages.take(one).is_some());
        drop(held);
        assert!(pages.followed().is_empty());
    }
}
