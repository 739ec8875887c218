//! Changes as values: what a commit checks and writes.

use std::collections::BTreeMap;
use std::time::Duration;

use tillgate_kernel::outbox::Message;
use tillgate_kernel::outbox::{Delivery, Settlement, Ticket, message_key};
use tillgate_kernel::{DocKey, Document, ListName, Partition, Timestamp, Unreadable};

/// The version of a document that a batch expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The document does not exist.
    Absent,
    /// The document is still at the version that was read.
    At(u64),
}

/// A change of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// No change: the commit only checks the version.
    Keep,
    /// Writes the document.
    Put(Body),
    /// Writes a message and makes it due at the time of the commit.
    Wake {
        /// The message. Its previous due time is ignored.
        delivery: Box<Delivery>,
        /// The time under which lists show it.
        listed_at: Timestamp,
    },
    /// Removes the document.
    Delete,
}

/// A document in encoded form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The version of the encoding.
    pub schema: u16,
    /// The time under which lists show the document. Lists are ordered by it.
    pub listed_at: Timestamp,
    /// The lists that the document is in, sorted.
    pub lists: Vec<ListName>,
    /// The encoded document.
    pub bytes: Vec<u8>,
}

/// The most lists that a document is in.
const LISTS_MAX: usize = 16;

impl Body {
    /// Encodes `document`, to be listed under `listed_at`.
    #[must_use]
    pub fn of<T: Document>(document: &T, listed_at: Timestamp) -> Body {
        let mut lists = document.lists();
        lists.sort_unstable();
        lists.dedup();
        debug_assert!(lists.len() <= LISTS_MAX, "{}: in {} lists", T::KIND, lists.len());
        Body { schema: T::SCHEMA, listed_at, lists, bytes: document.encode() }
    }
}

/// A document that was read, still encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The version. It changes with every write and is never reused.
    pub version: u64,
    /// The encoded document.
    pub body: Body,
}

impl Stored {
    /// Decodes the document.
    pub fn document<T: Document>(&self) -> Result<T, Unreadable> {
        T::decode(self.body.schema, &self.body.bytes)
    }
}

/// The name of a counter: an integer that is changed by adding, so that
/// concurrent writers do not conflict. Nothing is decided by a value that was
/// read: a batch that depends on one has a [`Floor`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// The group, such as a branch of the merchant.
    pub group: String,
    /// The name within the group, such as an article.
    pub name: String,
}

/// Groups whose names begin so are the program's own.
const INTERNAL: char = '\u{1}';

impl CounterKey {
    /// A counter that the outside names, such as an article of a branch. No
    /// name from outside leads to a counter of the program's own.
    #[must_use]
    pub fn named(group: &str, name: impl Into<String>) -> CounterKey {
        CounterKey { group: group.trim_start_matches(INTERNAL).to_owned(), name: name.into() }
    }

    /// What open orders of marketplaces want of an article, where their source
    /// says so.
    #[must_use]
    pub fn promised(stock: &str, article: impl Into<String>) -> CounterKey {
        CounterKey::internal(&format!("promised {stock}"), article)
    }

    /// A counter of the program's own.
    #[must_use]
    pub fn internal(group: &str, name: impl Into<String>) -> CounterKey {
        CounterKey { group: CounterKey::internal_group(group), name: name.into() }
    }

    /// The name of a group of the program's own counters.
    #[must_use]
    pub fn internal_group(group: &str) -> String {
        format!("{INTERNAL}{group}")
    }

    /// Whether a group is the program's own.
    #[must_use]
    pub fn is_internal(group: &str) -> bool {
        group.starts_with(INTERNAL)
    }
}

/// A bound that a batch must not push a sum of counters below: for example,
/// what is left of an article, or the balance of an account.
///
/// The sum is judged in the commit, after the batch's own changes of counters.
/// It may be below the bound already, because other batches change the same
/// counters without a floor; a batch that does not lower it passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// The counters that are added up.
    pub plus: Vec<CounterKey>,
    /// The counters that are subtracted.
    pub minus: Vec<CounterKey>,
    /// The lowest sum that the batch may lead to.
    pub least: i64,
}

impl Floor {
    /// All counters of the sum.
    pub(super) fn counters(&self) -> impl Iterator<Item = &CounterKey> {
        self.plus.iter().chain(&self.minus)
    }

    /// The sum, by the value of each counter.
    fn sum<E>(&self, value: impl Fn(&CounterKey) -> Result<i64, E>) -> Result<i128, E> {
        let add = |sum: i128, key: &CounterKey| Ok(sum + i128::from(value(key)?));
        let subtract = |sum: i128, key: &CounterKey| Ok(sum - i128::from(value(key)?));
        let sum = self.plus.iter().try_fold(0, add)?;
        self.minus.iter().try_fold(sum, subtract)
    }

    /// The sum to which a batch leads that changes the values of counters from
    /// `before` to `after`. `None` if it does not keep to the floor.
    pub(super) fn kept_sum<E>(
        &self,
        before: impl Fn(&CounterKey) -> Result<i64, E>,
        after: impl Fn(&CounterKey) -> Result<i64, E>,
    ) -> Result<Option<i64>, E> {
        let sum = self.sum(after)?;
        let is_kept = sum >= i128::from(self.least) || sum >= self.sum(before)?;
        let shown = i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX });
        Ok(is_kept.then_some(shown))
    }
}

/// A change of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterChange {
    /// Adds this amount, which may be negative. A new counter starts at zero.
    Add(i64),
    /// Sets the value, after somebody has counted the stock.
    Set(i64),
}

/// Everything that one decision changes. A batch is committed whole or not at
/// all.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[must_use = "a batch changes nothing until it is committed"]
pub struct Batch {
    pub(super) docs: BTreeMap<DocKey, (Expect, Change)>,
    pub(super) messages: Vec<Message>,
    pub(super) settled: Vec<(Ticket, Settlement)>,
    pub(super) counters: Vec<(CounterKey, CounterChange)>,
    pub(super) floors: Vec<Floor>,
    /// Leases of new messages.
    pub(super) leases: Vec<Lease>,
}

/// A lease that a new message gets when it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    pub ticket: Ticket,
    pub lasts: Duration,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Writes a document, if it is in the state that `expect` describes.
    pub fn put<T: Document>(
        &mut self,
        key: DocKey,
        expect: Expect,
        document: &T,
        listed_at: Timestamp,
    ) {
        debug_assert_eq!(key.kind, T::KIND);
        self.docs.insert(key, (expect, Change::Put(Body::of(document, listed_at))));
    }

    /// Writes a document that is already encoded.
    pub fn put_body(&mut self, key: DocKey, expect: Expect, body: Body) {
        self.docs.insert(key, (expect, Change::Put(body)));
    }

    /// Writes a message and makes it due at once.
    pub fn wake(&mut self, expect: Expect, delivery: Delivery, listed_at: Timestamp) {
        let key = message_key(delivery.id);
        self.docs.insert(key, (expect, Change::Wake { delivery: Box::new(delivery), listed_at }));
    }

    /// Requires that a document is in the state that `expect` describes,
    /// without changing it.
    pub fn assert_version(&mut self, key: DocKey, expect: Expect) {
        self.docs.insert(key, (expect, Change::Keep));
    }

    /// Removes a document, if it is at `version`.
    pub fn delete(&mut self, key: DocKey, version: u64) {
        self.docs.insert(key, (Expect::At(version), Change::Delete));
    }

    /// Adds a message to the outbox. A message with the same id that is already
    /// there stays unchanged.
    pub fn send(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Records the outcome of a claimed message. If its lease is lost, the
    /// whole batch is refused.
    pub fn settle(&mut self, ticket: Ticket, settlement: Settlement) {
        self.settled.push((ticket, settlement));
    }

    /// Changes a counter.
    pub fn bump(&mut self, counter: CounterKey, bump: CounterChange) {
        self.counters.push((counter, bump));
    }

    /// Refuses the whole batch if it pushes a sum of counters below a bound.
    pub fn floor(&mut self, floor: Floor) {
        self.floors.push(floor);
    }

    /// The batch with `now`, the time of its commit by the store's clock.
    pub(super) fn stamped(self, now: Timestamp) -> Stamped {
        let Batch { docs, messages, settled, counters, floors, leases } = self;
        let written = |message: Message| {
            let listed_at = message.created_at;
            let delivery = Delivery::new(message, now);
            let body = Body::of(&delivery, listed_at);
            (delivery, body)
        };
        Stamped {
            docs,
            messages: messages.into_iter().map(written).collect(),
            settled,
            counters,
            floors,
            leases,
            now,
        }
    }

    /// Whether the batch depends on the time of its commit.
    pub(super) fn needs_time(&self) -> bool {
        let wakes = || self.docs.values().any(|(_, change)| matches!(change, Change::Wake { .. }));
        !self.messages.is_empty() || !self.settled.is_empty() || wakes()
    }

    /// Whether it settles a message, so that it has a lease to lose.
    pub(super) fn settles(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Whether all its documents belong to one order, client or name.
    #[must_use]
    pub fn is_of_one_partition(&self) -> bool {
        let mut partitions = self.docs.keys().map(|key| key.partition);
        let first = partitions.next();
        partitions.all(|other| Some(other) == first)
    }

    /// Whether it is about nothing but this order, client or name.
    #[must_use]
    pub fn is_in(&self, partition: Partition) -> bool {
        let of_docs = self.docs.keys().map(|key| key.partition);
        let of_messages = self.messages.iter().map(|message| message.id.subject);
        of_docs.chain(of_messages).all(|of| of == partition)
    }

    /// Whether the batch changes nothing and checks nothing.
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
    /// With their encoded form. The callers encode, because many of them run in
    /// parallel; an engine may have a single thread that commits.
    pub messages: Vec<(Delivery, Body)>,
    pub settled: Vec<(Ticket, Settlement)>,
    pub counters: Vec<(CounterKey, CounterChange)>,
    pub floors: Vec<Floor>,
    pub leases: Vec<Lease>,
    pub now: Timestamp,
}

impl Stamped {
    /// The bytes of what it writes.
    pub(super) fn bytes(&self) -> usize {
        let of_docs = self.docs.values().map(|(_, change)| match change {
            Change::Put(body) => body.bytes.len(),
            Change::Keep | Change::Wake { .. } | Change::Delete => 0,
        });
        of_docs.chain(self.messages.iter().map(|(_, body)| body.bytes.len())).sum()
    }
}
