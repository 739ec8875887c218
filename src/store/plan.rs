//! The rules of a commit, written once for the engines that see their own state: what holds, what conflicts,
//! and what exactly is to be written.

use super::batch::{Batch, Body, Bump, Change, CounterKey, DocKey, Expect, Stored};
use super::queue::{Delivery, Place, Ticket, place_of};
use super::{CommitError, Unavailable};

/// What an engine holds at the moment of a commit.
pub(super) trait Held {
    fn doc(&self, key: DocKey) -> Result<Option<Stored>, Unavailable>;
    fn counter(&self, key: &CounterKey) -> Result<Option<i64>, Unavailable>;
    fn lease_holds(&self, ticket: Ticket) -> bool;
}

/// One document before and after.
pub(super) struct DocWrite {
    pub key: DocKey,
    pub old: Option<Stored>,
    pub new: Option<Body>,
    /// Where the outbox's index has it before and after, if it is a message.
    pub old_place: Option<Place>,
    pub new_place: Option<Place>,
}

/// All that a batch writes, settled against what was held.
#[derive(Default)]
pub(super) struct Writes {
    pub docs: Vec<DocWrite>,
    pub counters: Vec<(CounterKey, i64)>,
    pub released: Vec<Ticket>,
    pub has_messages: bool,
}

/// Checks a batch against `held`.
pub(super) fn plan(batch: Batch, held: &impl Held) -> Result<Writes, CommitError> {
    let mut writes = Writes::default();
    for (key, (expect, change)) in batch.docs {
        let old = held.doc(key)?;
        let as_believed = match expect {
            Expect::Absent => old.is_none(),
            Expect::At(version) => old.as_ref().is_some_and(|old| old.version == version),
        };
        if !as_believed {
            return Err(CommitError::Conflict);
        }
        match change {
            Change::Keep => {}
            Change::Put(body) => {
                let (old_place, new_place) = (stored_place(key, old.as_ref())?, place_of(key, &body)?);
                writes.docs.push(DocWrite { key, old, new: Some(body), old_place, new_place });
            }
            Change::Delete => {
                let old_place = stored_place(key, old.as_ref())?;
                writes.docs.push(DocWrite { key, old, new: None, old_place, new_place: None });
            }
        }
    }
    for (ticket, settlement) in batch.settled {
        let key = DocKey::message(ticket.id);
        if !held.lease_holds(ticket) {
            return Err(CommitError::LostLease);
        }
        let Some(old) = held.doc(key)? else { return Err(CommitError::LostLease) };
        let delivery: Delivery = old.document().map_err(Unavailable::from)?;
        let (listed_at, old_place) = (old.body.listed_at, delivery.place());
        let delivery = delivery.settle(settlement);
        let (new, new_place) = (Some(Body::of(&delivery, listed_at)), delivery.place());
        writes.docs.push(DocWrite { key, old: Some(old), new, old_place, new_place });
        writes.released.push(ticket);
    }
    for message in batch.messages {
        let key = DocKey::message(message.id);
        if held.doc(key)?.is_none() {
            let listed_at = message.created_at;
            let delivery = Delivery::new(message);
            let (new, new_place) = (Some(Body::of(&delivery, listed_at)), delivery.place());
            writes.docs.push(DocWrite { key, old: None, new, old_place: None, new_place });
            writes.has_messages = true;
        }
    }
    for (key, bump) in batch.counters {
        // A batch may touch a counter twice: the later one builds on the earlier.
        let planned = writes.counters.iter().rev().find(|(other, _)| *other == key).map(|&(_, value)| value);
        let before = match planned {
            Some(value) => value,
            None => held.counter(&key)?.unwrap_or(0),
        };
        let after = match bump {
            Bump::Add(amount) => before.saturating_add(amount),
            Bump::Set(amount) => amount,
        };
        writes.counters.push((key, after));
    }
    // An operator's "try again" puts a message back as a plain document: its courier must wake too.
    writes.has_messages |= writes.docs.iter().any(|doc| doc.key.kind == crate::kernel::Kind::Message);
    Ok(writes)
}

fn stored_place(key: DocKey, stored: Option<&Stored>) -> Result<Option<Place>, Unavailable> {
    stored.map_or(Ok(None), |stored| place_of(key, &stored.body))
}
