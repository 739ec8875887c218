//! The engine in memory: the simplest one that keeps the promises, apart from
//! durability.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tillgate_kernel::Partition;

use super::batch::{Batch, CounterKey, Lease, Stored};
use super::page::Head;
use super::plan::{DocWrite, Held, bumped, plan};
use super::scan::{Cursor, Found, Line, Scan, page_of_lines, page_of_places, place_after};
use super::{CommitError, Unavailable};
use crate::leases::Leases;
use crate::place::Place;
use crate::workers::Workers;
use tillgate_kernel::DocKey;
use tillgate_kernel::outbox::MessageId;
use tillgate_kernel::outbox::message_key;
use tillgate_kernel::outbox::{Claim, Claimed, Delivery, Ticket};
use tillgate_kernel::time::{SteadyClock, later};
use tillgate_kernel::{Clock, Kind, ListName, Timestamp};

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    clock: SteadyClock,
    state: Mutex<State>,
    workers: Workers,
}

#[derive(Debug, Default)]
struct State {
    docs: BTreeMap<DocKey, Stored>,
    /// The lines of all lists, by list and position.
    listed: BTreeSet<(ListName, Cursor)>,
    outbox: BTreeSet<Place>,
    counters: BTreeMap<CounterKey, i64>,
    leases: Leases,
    last_version: u64,
}

impl Held for State {
    fn head(&self, key: DocKey) -> Result<Option<Head>, Unavailable> {
        let head = |stored: &Stored| Head {
            version: stored.version,
            listed_at: stored.body.listed_at,
            lists: stored.body.lists.clone(),
            pieces: 0,
        };
        Ok(self.docs.get(&key).map(head))
    }

    fn doc(&self, key: DocKey) -> Result<Option<Stored>, Unavailable> {
        Ok(self.docs.get(&key).cloned())
    }

    fn lease_holds(&self, ticket: Ticket) -> bool {
        self.leases.holds(ticket)
    }

    fn counter(&self, key: &CounterKey) -> Result<i64, Unavailable> {
        Ok(self.counters.get(key).copied().unwrap_or(0))
    }
}

impl State {
    fn delivery(&self, id: MessageId) -> Result<Option<Delivery>, Unavailable> {
        Ok(self.docs.get(&message_key(id)).map(Stored::document).transpose()?)
    }

    fn write(&mut self, write: DocWrite) {
        for line in write.struck {
            self.listed.remove(&(line.list, line.cursor()));
        }
        self.listed.extend(write.enlisted.iter().map(|line| (line.list, line.cursor())));
        if let Some(place) = write.old_place {
            self.outbox.remove(&place);
        }
        match write.new {
            Some(body) => self.docs.insert(write.key, Stored { version: self.last_version, body }),
            None => self.docs.remove(&write.key),
        };
        self.outbox.extend(write.new_place);
    }

    /// The lines of a list after a cursor.
    fn lines(
        &self,
        list: ListName,
        newest_first: bool,
        after: Option<&Cursor>,
    ) -> impl Iterator<Item = Line> {
        let of_list = self.listed.iter().filter(move |(of, _)| *of == list);
        let beyond = of_list.filter(move |(_, at)| {
            after.is_none_or(|after| if newest_first { at < after } else { at > after })
        });
        let mut lines: Vec<&(ListName, Cursor)> = beyond.collect();
        if newest_first {
            lines.reverse();
        }
        lines.into_iter().map(|(list, at)| Line {
            list: *list,
            listed_at: at.listed_at,
            key: at.key(),
        })
    }
}

impl Memory {
    /// Creates an empty store. `clock` decides when messages are due.
    #[must_use]
    pub fn new(clock: Clock) -> Memory {
        let clock = SteadyClock::start(clock, Timestamp::MIN);
        Memory { clock, state: Mutex::default(), workers: Workers::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn load(&self, keys: &[DocKey]) -> Vec<Option<Stored>> {
        let state = self.state();
        keys.iter().map(|key| state.docs.get(key).cloned()).collect()
    }

    pub(super) fn commit(&self, mut batch: Batch) -> Result<Vec<i64>, CommitError> {
        let reserved = self.workers.reserve(&mut batch);
        let now = self.clock.now();
        let mut state = self.state();
        let writes = plan(batch.stamped(now), &*state)?;
        state.last_version += 1;
        for write in writes.docs {
            if let Some(Lease { ticket, lasts }) = write.lease {
                state.leases.grant(ticket, later(now, lasts));
            }
            state.write(write);
        }
        for (key, bump) in writes.counters {
            let counter = state.counters.entry(key).or_insert(0);
            *counter = bumped(*counter, bump);
        }
        for ticket in writes.released {
            state.leases.release(ticket);
        }
        self.workers.wake(writes.woken);
        reserved.hand_over(writes.leased);
        Ok(writes.sums)
    }

    pub(super) fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>, Unavailable> {
        let state = &mut *self.state();
        let mut leases = std::mem::take(&mut state.leases);
        let next = |after: &Place| {
            let beyond = (Bound::Excluded(after), Bound::Unbounded);
            Ok(state.outbox.range(beyond).next().cloned())
        };
        let claimed = leases.claim(claim, self.clock.now(), next, |id| state.delivery(id));
        state.leases = leases;
        claimed
    }

    pub(super) fn scan(&self, scan: &Scan) -> Found {
        let state = self.state();
        match *scan {
            Scan::Lists { ref lists, newest_first, ref after, limit } => {
                let of_list = |list: &ListName| {
                    state.lines(*list, newest_first, after.as_ref()).take(limit + 1)
                };
                page_of_lines(lists.iter().flat_map(of_list).collect(), newest_first, limit)
            }
            Scan::Partition { partition, kind } => {
                let first = DocKey { partition, kind, id: 0 };
                let last = DocKey { partition, kind, id: u128::MAX };
                (state.docs.range(first..=last).map(|(key, _)| *key).collect(), None)
            }
            Scan::Whole { partition } => {
                let of_partition =
                    state.docs.range(DocKey { partition, kind: Kind::from_byte(0), id: 0 }..);
                let of_partition = of_partition.take_while(|(key, _)| key.partition == partition);
                (of_partition.map(|(key, _)| *key).collect(), None)
            }
            Scan::Outbox { lane, dead, ref queue, ref after, limit } => {
                let after = place_after(lane, dead, queue.as_deref(), after.as_ref());
                let places = state
                    .outbox
                    .range((Bound::Excluded(after), Bound::Unbounded))
                    .take_while(|place| {
                        (place.lane, place.dead) == (lane, dead)
                            && queue.as_ref().is_none_or(|queue| place.queue == *queue)
                    });
                page_of_places(places.take(limit + 1).cloned().collect(), limit)
            }
        }
    }

    pub(super) fn balances(&self, keys: &[CounterKey]) -> Vec<i64> {
        let state = self.state();
        keys.iter().map(|key| state.counters.get(key).copied().unwrap_or(0)).collect()
    }

    pub(super) fn counters(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(CounterKey, i64)> {
        let state = self.state();
        let in_group = state.counters.iter().filter(|(key, _)| key.group == group);
        let beyond =
            in_group.filter(|(key, _)| after.is_none_or(|after| key.name.as_str() > after));
        beyond.take(limit).map(|(key, value)| (key.clone(), *value)).collect()
    }

    pub(super) fn counter_groups(&self) -> Vec<String> {
        let mut groups: Vec<String> =
            self.state().counters.keys().map(|key| key.group.clone()).collect();
        groups.dedup();
        groups
    }

    pub(super) fn partitions(&self, after: Option<Partition>, limit: usize) -> Vec<Partition> {
        let state = self.state();
        let mut partitions: Vec<Partition> = state.docs.keys().map(|key| key.partition).collect();
        partitions.dedup();
        partitions
            .into_iter()
            .filter(|found| after.is_none_or(|after| *found > after))
            .take(limit)
            .collect()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) const fn workers(&self) -> &Workers {
        &self.workers
    }
}
