//! The ceiling of orders that wait for their creation.
//!
//! A hook about an order that was never created is parked, because its
//! creation may still come. A source that sends hooks about orders of somebody
//! else would fill the store with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::kernel::{PartyName, Stopwatch};
use crate::orders::listing;
use crate::store::{Scan, Store, Unavailable};

/// How many orders of one source may wait for their creation.
pub const PARKED_ORDERS_MAX: usize = 10_000;

/// How long a count is used. Meanwhile this process counts on by itself.
const COUNT_AGE_MAX: Duration = Duration::from_secs(1);

/// How many orders of each source wait for their creation, as this process
/// knows.
#[derive(Debug, Clone, Default)]
pub struct ParkedOrders(Arc<Mutex<BTreeMap<PartyName, (Stopwatch, usize)>>>);

impl ParkedOrders {
    /// Whether another order of the source may wait. If so it is counted.
    pub async fn admit(&self, store: &Store, source: &PartyName) -> Result<bool, Unavailable> {
        let known = self.counts().get(source).copied();
        if known.is_none_or(|(since, _)| since.elapsed() > COUNT_AGE_MAX) {
            let scan = Scan::Lists {
                lists: vec![listing::parked(source)],
                newest_first: false,
                after: None,
                limit: PARKED_ORDERS_MAX,
            };
            let counted = store.scan_keys(&scan).await?.items.len();
            self.counts().insert(source.clone(), (Stopwatch::start(), counted));
        }
        let mut counts = self.counts();
        let Some((_, count)) = counts.get_mut(source) else { return Ok(true) };
        let may_wait = *count < PARKED_ORDERS_MAX;
        *count += usize::from(may_wait);
        Ok(may_wait)
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<PartyName, (Stopwatch, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
