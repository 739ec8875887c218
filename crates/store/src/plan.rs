//! The rules of a commit, shared by all engines: which expectations hold, what
//! conflicts, and what exactly is written.

use super::batch::{Body, Change, CounterChange, CounterKey, Expect, Lease, Stamped, Stored};
use super::page::Head;
use super::{CommitError, Unavailable};
use crate::place::Place;
use crate::scan::Line;
use tillgate_kernel::outbox::{
    Claimed, Delivery, Lanes, Ordering, Settlement, Ticket, message_key,
};
use tillgate_kernel::{DocKey, Document, ListName, Timestamp};

/// The state of an engine at the moment of a commit.
pub(super) trait Held {
    /// The metadata of a document, without its body.
    fn head(&self, key: DocKey) -> Result<Option<Head>, Unavailable>;
    /// A whole document. Called for messages only.
    fn doc(&self, key: DocKey) -> Result<Option<Stored>, Unavailable>;
    fn lease_holds(&self, ticket: Ticket) -> bool;
    /// The value of a counter. Called only for those of floors, and for those
    /// that the batch changes if the engine stores their values.
    fn counter(&self, key: &CounterKey) -> Result<i64, Unavailable>;
}

/// The change of one document.
pub(super) struct DocWrite {
    pub key: DocKey,
    pub new: Option<Body>,
    /// Lines that lists lose, and lines that they get.
    pub struck: Vec<Line>,
    pub enlisted: Vec<Line>,
    /// The position in the outbox index before and after, if it is a message.
    pub old_place: Option<Place>,
    pub new_place: Option<Place>,
    /// The lease that it gets, if it is a new message for a worker that waits.
    pub lease: Option<Lease>,
}

impl DocWrite {
    fn of(key: DocKey, old: Option<&Head>, new: Option<Body>) -> DocWrite {
        let line = |list: &ListName, listed_at| Line { list: *list, listed_at, key };
        let was: Vec<Line> = old.map_or_else(Vec::new, |old| {
            old.lists.iter().map(|list| line(list, old.listed_at)).collect()
        });
        let is: Vec<Line> = new.as_ref().map_or_else(Vec::new, |new| {
            new.lists.iter().map(|list| line(list, new.listed_at)).collect()
        });
        let without = |lines: &[Line], others: &[Line]| {
            lines.iter().copied().filter(|line| !others.contains(line)).collect()
        };
        DocWrite {
            key,
            struck: without(&was, &is),
            enlisted: without(&is, &was),
            new,
            old_place: None,
            new_place: None,
            lease: None,
        }
    }

    /// Adds the lane whose workers may find something to send after this write:
    /// this message, or one that waited for it. Messages that are due later are
    /// found when the workers poll.
    fn wake(&self, now: Timestamp, woken: &mut Lanes) {
        let is_free = self.lease.is_none();
        let is_due = |place: &&Place| is_free && !place.dead && place.due <= now;
        let waited_for = |place: &&Place| place.lane.ordering() != Ordering::None;
        let new = self.new_place.as_ref().filter(is_due);
        let old = self.old_place.as_ref().filter(waited_for);
        new.into_iter().chain(old).for_each(|place| woken.insert(place.lane));
    }
}

/// Everything that a batch writes, resolved against the stored state.
#[derive(Default)]
pub(super) struct Writes {
    pub docs: Vec<DocWrite>,
    pub counters: Vec<(CounterKey, CounterChange)>,
    pub released: Vec<Ticket>,
    /// New messages that are leased.
    pub leased: Vec<Claimed>,
    /// The lanes whose workers may find something to send.
    pub woken: Lanes,
    /// The sums of the floors, after the batch.
    pub sums: Vec<i64>,
}

/// Checks a batch against the stored state `held` and returns what to write.
pub(super) fn plan(batch: Stamped, held: &impl Held) -> Result<Writes, CommitError> {
    // Before floors: a batch that is a duplicate of another conflicts with it,
    // and its author reads what that one did, even if it has used up the sum.
    for (key, (expect, _)) in &batch.docs {
        let old = held.head(*key)?;
        let as_believed = match expect {
            Expect::Absent => old.is_none(),
            Expect::At(version) => old.is_some_and(|old| old.version == *version),
        };
        if !as_believed {
            return Err(CommitError::Conflict);
        }
    }
    let sums = sums_of_floors(&batch, held)?;
    let mut writes = Writes { counters: batch.counters, sums, ..Writes::default() };
    for (key, (_, change)) in batch.docs {
        let old = held.head(key)?;
        let new = match change {
            Change::Keep => continue,
            Change::Put(body) => Some(body),
            Change::Wake { delivery, listed_at } => {
                Some(Body::of(&delivery.due_at(batch.now), listed_at))
            }
            Change::Delete => None,
        };
        let mut write = DocWrite::of(key, old.as_ref(), new);
        if key.kind == Delivery::KIND {
            if old.is_some() {
                write.old_place = delivery(held, key)?.and_then(|old| Place::of(&old));
            }
            write.new_place = write.new.as_ref().map(place_of).transpose()?.flatten();
        }
        writes.docs.push(write);
    }
    for (ticket, settlement) in batch.settled {
        writes.docs.push(settled(held, ticket, settlement, batch.now)?);
        writes.released.push(ticket);
    }
    for (delivery, body) in batch.messages {
        let key = message_key(delivery.id);
        if held.head(key)?.is_none() {
            let new_place = Place::of(&delivery);
            let lease = batch.leases.iter().find(|lease| lease.ticket.id == delivery.id).copied();
            let write = DocWrite::of(key, None, Some(body));
            writes.docs.push(DocWrite { new_place, lease, ..write });
            if let Some(Lease { ticket, .. }) = lease {
                writes.leased.push(Claimed { delivery, ticket, at: batch.now });
            }
        }
    }
    writes.docs.iter().for_each(|doc| doc.wake(batch.now, &mut writes.woken));
    Ok(writes)
}

/// The sums of the floors of a batch. Fails if it pushes one below its bound.
fn sums_of_floors(batch: &Stamped, held: &impl Held) -> Result<Vec<i64>, CommitError> {
    let after = |key: &CounterKey| {
        let own = batch.counters.iter().filter(|(changed, _)| changed == key);
        let value = held.counter(key)?;
        Ok::<i64, Unavailable>(own.fold(value, |value, (_, change)| bumped(value, *change)))
    };
    let each = batch.floors.iter().enumerate();
    each.map(|(place, floor)| {
        let sum = floor.kept_sum(|key| held.counter(key), after)?;
        sum.ok_or(CommitError::Short { floor: place })
    })
    .collect()
}

/// The write that settles a message under its lease.
fn settled(
    held: &impl Held,
    ticket: Ticket,
    settlement: Settlement,
    now: Timestamp,
) -> Result<DocWrite, CommitError> {
    let key = message_key(ticket.id);
    if !held.lease_holds(ticket) {
        return Err(CommitError::LostLease);
    }
    let Some(old) = held.head(key)? else { return Err(CommitError::LostLease) };
    let Some(delivery) = delivery(held, key)? else { return Err(CommitError::LostLease) };
    let old_place = Place::of(&delivery);
    let is_deleted = settlement == Settlement::Sent && delivery.lane.is_listed();
    let delivery = delivery.settle(settlement, now);
    let new = (!is_deleted).then(|| Body::of(&delivery, old.listed_at));
    let new_place = Place::of(&delivery);
    Ok(DocWrite { old_place, new_place, ..DocWrite::of(key, Some(&old), new) })
}

fn delivery(held: &impl Held, key: DocKey) -> Result<Option<Delivery>, Unavailable> {
    Ok(held.doc(key)?.map(|stored| stored.document()).transpose()?)
}

/// The position of a message in the outbox index, if it belongs there.
pub(super) fn place_of(body: &Body) -> Result<Option<Place>, Unavailable> {
    Ok(Place::of(&Delivery::decode(body.schema, &body.bytes)?))
}

/// The value of a counter after a change.
pub(super) fn bumped(before: i64, bump: CounterChange) -> i64 {
    match bump {
        CounterChange::Add(amount) => before.saturating_add(amount),
        CounterChange::Set(amount) => amount,
    }
}
