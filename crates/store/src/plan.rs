//! The rules of a commit, shared by all engines: which expectations hold, what
//! conflicts, and what exactly is written.

use super::batch::{Body, Change, CounterChange, CounterKey, Expect, Stamped, Stored};
use super::page::Head;
use super::{CommitError, Unavailable};
use crate::place::Place;
use tillgate_kernel::DocKey;
use tillgate_kernel::Document;
use tillgate_kernel::Timestamp;
use tillgate_kernel::outbox::{Delivery, Settlement, Ticket, message_key};

/// The state of an engine at the moment of a commit.
pub(super) trait Held {
    /// The metadata of a document, without its body.
    fn head(&self, key: DocKey) -> Result<Option<Head>, Unavailable>;
    /// A whole document. Called for messages only.
    fn doc(&self, key: DocKey) -> Result<Option<Stored>, Unavailable>;
    fn lease_holds(&self, ticket: Ticket) -> bool;
}

/// The change of one document.
pub(super) struct DocWrite {
    pub key: DocKey,
    /// The time under which it was listed, if it existed.
    pub old_listed_at: Option<Timestamp>,
    pub new: Option<Body>,
    /// The position in the outbox index before and after, if it is a message.
    pub old_place: Option<Place>,
    pub new_place: Option<Place>,
}

/// Everything that a batch writes, resolved against the stored state.
#[derive(Default)]
pub(super) struct Writes {
    pub docs: Vec<DocWrite>,
    pub counters: Vec<(CounterKey, CounterChange)>,
    pub released: Vec<Ticket>,
    pub has_messages: bool,
}

/// Checks a batch against the stored state `held` and returns what to write.
pub(super) fn plan(batch: Stamped, held: &impl Held) -> Result<Writes, CommitError> {
    let mut writes = Writes { counters: batch.counters, ..Writes::default() };
    for (key, (expect, change)) in batch.docs {
        let old = held.head(key)?;
        let as_believed = match expect {
            Expect::Absent => old.is_none(),
            Expect::At(version) => old.is_some_and(|old| old.version == version),
        };
        if !as_believed {
            return Err(CommitError::Conflict);
        }
        let new = match change {
            Change::Keep => continue,
            Change::Put(body) => Some(body),
            Change::Wake { delivery, listed_at } => {
                Some(Body::of(&delivery.due_at(batch.now), listed_at))
            }
            Change::Delete => None,
        };
        let (mut old_place, mut new_place) = (None, None);
        if key.kind == Delivery::KIND {
            old_place = if old.is_some() {
                delivery(held, key)?.and_then(|old| Place::of(&old))
            } else {
                None
            };
            new_place = new.as_ref().map(place_of).transpose()?.flatten();
        }
        let old_listed_at = old.map(|old| old.listed_at);
        writes.docs.push(DocWrite { key, old_listed_at, new, old_place, new_place });
    }
    for (ticket, settlement) in batch.settled {
        writes.docs.push(settled(held, ticket, settlement, batch.now)?);
        writes.released.push(ticket);
    }
    for (delivery, body) in batch.messages {
        let key = message_key(delivery.id);
        if held.head(key)?.is_none() {
            let (new, new_place) = (Some(body), Place::of(&delivery));
            writes.docs.push(DocWrite {
                key,
                old_listed_at: None,
                new,
                old_place: None,
                new_place,
            });
        }
    }
    // An operator who retries a message writes it as a plain document. That
    // must wake the sender too.
    writes.has_messages = writes.docs.iter().any(|doc| doc.key.kind == Delivery::KIND);
    Ok(writes)
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
    let delivery = delivery.settle(settlement, now);
    let (new, new_place) = (Some(Body::of(&delivery, old.listed_at)), Place::of(&delivery));
    let old_listed_at = Some(old.listed_at);
    Ok(DocWrite { key, old_listed_at, new, old_place, new_place })
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
