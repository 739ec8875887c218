//! A change as a value.

use std::collections::BTreeMap;

use tillgate_kernel::outbox::Message;
use tillgate_kernel::outbox::{Delivery, Settlement, Ticket, message_key};
use tillgate_kernel::{DocKey, Document, Timestamp, Unreadable};

/// What the author of a batch believed about a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// That there is none.
    Absent,
    /// That it is still the version that was read.
    At(u64),
}

/// What is to become of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing: only the belief is checked.
    Keep,
    /// It is written.
    Put(Body),
    /// A message is written, and due from now on.
    Wake {
        /// The message. When it was due does not matter.
        delivery: Box<Delivery>,
        /// Its place in lists.
        listed_at: Timestamp,
    },
    /// It is removed.
    Delete,
}

/// A document's written form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The number of the form.
    pub schema: u16,
    /// Its place in lists, which are ordered by this time.
    pub listed_at: Timestamp,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Body {
    /// The written form of `document`, listed under `listed_at`.
    #[must_use]
    pub fn of<T: Document>(document: &T, listed_at: Timestamp) -> Body {
        Body { schema: T::SCHEMA, listed_at, bytes: document.encode() }
    }
}

/// A document as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Changes with every write, and never comes back.
    pub version: u64,
    /// The written form.
    pub body: Body,
}

impl Stored {
    /// The document itself.
    pub fn document<T: Document>(&self) -> Result<T, Unreadable> {
        T::decode(self.body.schema, &self.body.bytes)
    }
}

/// A counter: a whole number under a group and a name, changed by adding, so that two who change it do not
/// stand in each other's way. It is never read to decide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// The group, such as a shop.
    pub group: String,
    /// The name in the group, such as an article.
    pub name: String,
}

/// What is to become of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// It goes up or down by this much, from zero if it is new.
    Add(i64),
    /// Somebody has counted: it becomes this.
    Set(i64),
}

/// Everything that one decision changes. It is committed whole or not at all.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[must_use = "a batch changes nothing until it is committed"]
pub struct Batch {
    pub(super) docs: BTreeMap<DocKey, (Expect, Change)>,
    pub(super) messages: Vec<Message>,
    pub(super) settled: Vec<(Ticket, Settlement)>,
    pub(super) counters: Vec<(CounterKey, Bump)>,
}

impl Batch {
    /// A batch that changes nothing yet.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Writes a document that is believed to be as `expect` says.
    pub fn put<T: Document>(&mut self, key: DocKey, expect: Expect, document: &T, listed_at: Timestamp) {
        debug_assert_eq!(key.kind, T::KIND);
        self.docs.insert(key, (expect, Change::Put(Body::of(document, listed_at))));
    }

    /// Writes a document's form as it is.
    pub fn put_body(&mut self, key: DocKey, expect: Expect, body: Body) {
        self.docs.insert(key, (expect, Change::Put(body)));
    }

    /// Writes a message that is to be tried at once.
    pub fn wake(&mut self, expect: Expect, delivery: Delivery, listed_at: Timestamp) {
        let key = message_key(delivery.id);
        self.docs.insert(key, (expect, Change::Wake { delivery: Box::new(delivery), listed_at }));
    }

    /// Relies on a document being as `expect` says, without changing it.
    pub fn rely(&mut self, key: DocKey, expect: Expect) {
        self.docs.insert(key, (expect, Change::Keep));
    }

    /// Removes a document at a version.
    pub fn delete(&mut self, key: DocKey, version: u64) {
        self.docs.insert(key, (Expect::At(version), Change::Delete));
    }

    /// Puts a message into the outbox. One that is there already, under the same id, stays as it is.
    pub fn send(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Records what became of a claimed message. A batch whose lease is lost is refused whole.
    pub fn settle(&mut self, ticket: Ticket, settlement: Settlement) {
        self.settled.push((ticket, settlement));
    }

    /// Changes a counter.
    pub fn bump(&mut self, counter: CounterKey, bump: Bump) {
        self.counters.push((counter, bump));
    }

    /// The batch as it is committed at `now`, by the store's clock.
    pub(super) fn stamped(self, now: Timestamp) -> Stamped {
        let Batch { docs, messages, settled, counters } = self;
        let written = |message: Message| {
            let listed_at = message.created_at;
            let delivery = Delivery::new(message, now);
            let body = Body::of(&delivery, listed_at);
            (delivery, body)
        };
        Stamped { docs, messages: messages.into_iter().map(written).collect(), settled, counters, now }
    }

    /// Whether it depends on the time when it is committed.
    pub(super) fn needs_time(&self) -> bool {
        let wakes = || self.docs.values().any(|(_, change)| matches!(change, Change::Wake { .. }));
        !self.messages.is_empty() || !self.settled.is_empty() || wakes()
    }

    /// Whether it would change nothing and check nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.docs.is_empty()
            && self.messages.is_empty()
            && self.settled.is_empty()
            && self.counters.is_empty()
    }
}

/// A batch with the time of its commit.
#[derive(Debug)]
pub(super) struct Stamped {
    pub docs: BTreeMap<DocKey, (Expect, Change)>,
    /// With their written form, which is made where there are many to make it.
    pub messages: Vec<(Delivery, Body)>,
    pub settled: Vec<(Ticket, Settlement)>,
    pub counters: Vec<(CounterKey, Bump)>,
    pub now: Timestamp,
}
