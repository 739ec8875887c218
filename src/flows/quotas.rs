//! How many bytes of each party may be stored on a day.
//!
//! Each receiver counts what it stores, and every few seconds adds it to the
//! count of all receivers, so a quota may be exceeded by what they store
//! meanwhile. Days are those of UTC.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::kernel::{PartyName, Timestamp};

const DAY_SECONDS: i64 = 24 * 3600;

pub(super) fn day_of(now: Timestamp) -> i64 {
    now.as_second().div_euclid(DAY_SECONDS)
}

/// The seconds until quotas begin again.
#[must_use]
pub fn seconds_left(now: Timestamp) -> u64 {
    (DAY_SECONDS - now.as_second().rem_euclid(DAY_SECONDS)).unsigned_abs()
}

/// The quotas, and what is used of them as far as this process knows.
#[derive(Debug, Clone, Default)]
pub struct Quotas {
    bytes_max: Arc<BTreeMap<PartyName, u64>>,
    used: Arc<Mutex<BTreeMap<PartyName, Used>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    day: i64,
    /// The count of all receivers, when it was read last.
    by_all: u64,
    /// What this process has not added to it yet.
    here: u64,
}

impl Quotas {
    /// Quotas with the most bytes of each party on a day.
    #[must_use]
    pub fn of(bytes_max: BTreeMap<PartyName, u64>) -> Quotas {
        Quotas { bytes_max: Arc::new(bytes_max), used: Arc::default() }
    }

    /// Counts bytes that are stored.
    pub fn count(&self, party: &PartyName, bytes: usize, now: Timestamp) {
        if !self.bytes_max.contains_key(party) {
            return;
        }
        let mut used = self.used();
        if !used.contains_key(party) {
            used.insert(party.clone(), Used::default());
        }
        if let Some(used) = used.get_mut(party) {
            if used.day != day_of(now) {
                *used = Used { day: day_of(now), ..Used::default() };
            }
            used.here += bytes as u64;
        }
    }

    /// Whether a party has used up its quota.
    #[must_use]
    pub fn is_used_up(&self, party: &PartyName, now: Timestamp) -> bool {
        let Some(bytes_max) = self.bytes_max.get(party) else { return false };
        let used = self.used().get(party).copied().filter(|used| used.day == day_of(now));
        used.is_some_and(|used| used.by_all + used.here >= *bytes_max)
    }

    pub(super) fn parties(&self) -> Vec<PartyName> {
        self.bytes_max.keys().cloned().collect()
    }

    /// What this process has not added yet to the count of all receivers.
    pub(super) fn here(&self, party: &PartyName, today: i64) -> u64 {
        let used = self.used().get(party).copied().filter(|used| used.day == today);
        used.map_or(0, |used| used.here)
    }

    /// Sets the count of all receivers, to which `added` bytes of this process
    /// were added. What it has counted since stays to be added.
    pub(super) fn set(&self, party: PartyName, today: i64, by_all: u64, added: u64) {
        let mut used = self.used();
        let used = used.entry(party).or_default();
        let here = if used.day == today { used.here.saturating_sub(added) } else { 0 };
        *used = Used { day: today, by_all, here };
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<PartyName, Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_used_up_and_begins_again_with_the_day() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (shop, other) = (PartyName::new("shop"), PartyName::new("other"));
        let quotas = Quotas::of(BTreeMap::from([(shop.clone(), 1000)]));
        let evening = at("2026-11-30T23:59:50Z");
        for (bytes, is_used_up) in [(400, false), (599, false), (1, true)] {
            quotas.count(&shop, bytes, evening);
            quotas.count(&other, 5000, evening);
            assert_eq!(quotas.is_used_up(&shop, evening), is_used_up, "{bytes}");
        }
        assert_eq!(seconds_left(evening), 10);
        assert!(!quotas.is_used_up(&other, evening), "it has no quota");
        assert!(!quotas.is_used_up(&shop, at("2026-12-01T00:00:00Z")));
        quotas.count(&shop, 400, at("2026-12-01T00:00:00Z"));
        assert!(!quotas.is_used_up(&shop, at("2026-12-01T00:00:01Z")));
    }
}
