//! The promises of every store, one function for each. This list is the
//! contract: an engine is whatever passes it.

mod floors;
mod handovers;
mod lists;

use std::sync::Arc;
use std::time::Duration;

use floors::*;
use handovers::*;
use lists::*;

use super::*;
use tillgate_kernel::document;
use tillgate_kernel::outbox::{
    Claim, Claimed, Delivery, DeliveryState, Lane, Message, MessageId, Ordering, Settlement,
    message_key,
};
use tillgate_kernel::time::{between, from_micros, later};
use tillgate_kernel::{
    Clock, DocKey, Document, Failure, Kind, ListName, Partition, Timestamp, Unreadable,
};

/// The kind of the documents in these tests.
pub(super) const NOTES: Kind = Kind::new(1, "notes");

/// A document for these tests. Each word of its text is a list that it is in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Note(String);

/// The list of the notes with this word.
pub(super) fn with_word(word: &str) -> ListName {
    ListName::of(&["notes", word])
}

impl Document for Note {
    const KIND: Kind = NOTES;
    const SCHEMA: u16 = 3;

    fn lists(&self) -> Vec<ListName> {
        self.0.split_whitespace().map(with_word).collect()
    }

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Note, Unreadable> {
        document::decode(schema, bytes)
    }
}

fn failed(why: &str) -> Failure {
    Failure::of(&serde_json::json!({"kind": "test", "why": why}))
}

fn note(text: &str) -> Note {
    Note(text.to_owned())
}

/// A store, and the clock that decides when its messages are due.
struct Stage {
    store: Store,
    /// The store as each of its processes has opened it.
    processes: Vec<Store>,
    clock: Clock,
}

impl std::ops::Deref for Stage {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Stage {
    /// The store as one of its processes has opened it; they take turns.
    fn process(&self, number: usize) -> Store {
        self.processes[number % self.processes.len()].clone()
    }

    /// Moves the clock to this time.
    fn is(&self, seconds: i64) {
        self.clock.advance(between(self.clock.now(), at(seconds)));
    }

    /// Moves the clock to this time and makes a claim.
    fn claim_at(&self, seconds: i64) -> Claim {
        self.is(seconds);
        Claim {
            lane: STRICT,
            lease: Duration::from_secs(60),
            limit: 10,
            limit_of_queue: 1,
            paused_queues: Vec::new(),
            after_queue: String::new(),
        }
    }
}

fn key(partition: u64) -> DocKey {
    DocKey { partition: Partition::from_u64(partition), kind: NOTES, id: 7 }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(seconds: i64) -> Timestamp {
    from_micros(seconds * 1_000_000)
}

fn put(key: DocKey, expect: Expect, text: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(key, expect, &note(text), at(1));
    batch
}

async fn read(store: &Store, key: DocKey) -> Option<(Note, u64)> {
    let stored = store.load(&[key]).await.expect("a store that answers").pop().flatten()?;
    Some((stored.document().expect("a note"), stored.version))
}

/// One lane for each ordering.
const STRICT: Lane = Lane::new(1, Ordering::Strict, "strict");
const SKIPPING: Lane = Lane::new(3, Ordering::SkipsRetries, "skipping");
const FREE: Lane = Lane::new(4, Ordering::None, "free");

fn message(order: u64, sequence: u32, queue: &str, seconds: i64) -> Message {
    Message {
        id: MessageId { subject: Partition::from_u64(order), sequence },
        lane: STRICT,
        queue: queue.to_owned(),
        body: format!("message {sequence} of {order}"),
        created_at: at(seconds),
        wait: Duration::ZERO,
    }
}

fn send(messages: impl IntoIterator<Item = Message>) -> Batch {
    let mut batch = Batch::new();
    messages.into_iter().for_each(|message| batch.send(message));
    batch
}

async fn claimed(store: &Store, claim: &Claim) -> Vec<String> {
    let claimed = store.claim(claim).await.expect("a store that answers");
    claimed.into_iter().map(|claimed| claimed.delivery.id.to_string()).collect()
}

fn id(order: u64, sequence: u32) -> String {
    MessageId { subject: Partition::from_u64(order), sequence }.to_string()
}

async fn what_was_committed_is_read_back(store: Stage) {
    store.commit(put(key(1), Expect::Absent, "first")).await.expect("committed");
    let found = store.load(&[key(2), key(1)]).await.expect("a store that answers");
    assert!(found[0].is_none());
    let stored = found[1].as_ref().expect("a document");
    assert_eq!(stored.document(), Ok(note("first")));
    assert_eq!((stored.body.schema, stored.body.listed_at), (3, at(1)));
}

async fn what_should_be_absent_is_created_once(store: Stage) {
    store.commit(put(key(1), Expect::Absent, "first")).await.expect("committed");
    let again = store.commit(put(key(1), Expect::Absent, "second")).await;
    assert_eq!(again, Err(CommitError::Conflict));
    assert_eq!(read(&store, key(1)).await.expect("a document").0, note("first"));
}

async fn a_batch_is_whole_or_nothing(store: Stage) {
    store.commit(put(key(1), Expect::Absent, "first")).await.expect("committed");
    let mut batch = put(key(1), Expect::At(12_345), "stale");
    batch.put(key(2), Expect::Absent, &note("in the same batch"), at(1));
    batch.send(message(1, 1, "chat", 1));
    batch.bump(CounterKey { group: "17".into(), name: "milk".into() }, CounterChange::Add(5));
    assert_eq!(store.commit(batch).await, Err(CommitError::Conflict));
    assert!(read(&store, key(2)).await.is_none());
    assert_eq!(claimed(&store, &store.claim_at(9)).await, Vec::<String>::new());
    assert_eq!(store.counters("17", None, 9).await, Ok(vec![]));
}

async fn every_write_makes_a_new_version_and_old_ones_conflict(store: Stage) {
    store.commit(put(key(1), Expect::Absent, "one")).await.expect("committed");
    let (_, first) = read(&store, key(1)).await.expect("a document");
    store.commit(put(key(1), Expect::At(first), "two")).await.expect("committed");
    let (_, second) = read(&store, key(1)).await.expect("a document");
    assert_ne!(first, second);
    assert_eq!(
        store.commit(put(key(1), Expect::At(first), "late")).await,
        Err(CommitError::Conflict)
    );
    let mut batch = Batch::new();
    batch.delete(key(1), second);
    store.commit(batch).await.expect("committed");
    assert!(read(&store, key(1)).await.is_none());
    store.commit(put(key(1), Expect::Absent, "three")).await.expect("committed");
    assert_eq!(
        store.commit(put(key(1), Expect::At(second), "late")).await,
        Err(CommitError::Conflict)
    );
    assert_eq!(
        store.commit(put(key(1), Expect::At(first), "later")).await,
        Err(CommitError::Conflict)
    );
}

async fn of_many_who_create_the_same_exactly_one_succeeds(store: Stage) {
    let mut tasks = tokio::task::JoinSet::new();
    for name in 0..64 {
        let store = store.clone();
        tasks.spawn(async move {
            store.commit(put(key(1), Expect::Absent, &format!("by {name}"))).await
        });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(
        outcomes.iter().filter(|outcome| **outcome == Err(CommitError::Conflict)).count(),
        63
    );
}

async fn of_many_who_change_the_same_exactly_one_succeeds(store: Stage) {
    store.commit(put(key(1), Expect::Absent, "before")).await.expect("committed");
    for round in 0..10 {
        let (_, version) = read(&store, key(1)).await.expect("a document");
        let mut tasks = tokio::task::JoinSet::new();
        for name in 0..32 {
            let (store, text) = (store.clone(), format!("round {round} by {name}"));
            tasks.spawn(async move { store.commit(put(key(1), Expect::At(version), &text)).await });
        }
        let outcomes = tasks.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        assert_eq!(
            outcomes.iter().filter(|outcome| **outcome == Err(CommitError::Conflict)).count(),
            31
        );
    }
}

async fn there_is_no_absence_skew(store: Stage) {
    for round in 0..50 {
        let (left, right) = (DocKey { id: 1, ..key(round) }, DocKey { id: 2, ..key(round) });
        let cross = |writes: DocKey, asserted: DocKey| {
            let mut batch = put(writes, Expect::Absent, "mine");
            batch.assert_version(asserted, Expect::Absent);
            batch
        };
        let (one, other) =
            tokio::join!(store.commit(cross(left, right)), store.commit(cross(right, left)));
        assert!(one.is_ok() != other.is_ok(), "round {round}: {one:?} {other:?}");
    }
}

async fn long_documents_come_back_whole_and_leave_nothing_behind(store: Stage) {
    let mut expect = Expect::Absent;
    for length in [10, 47_990, 48_010, 100_000, 1_300_000, 49_000, 3] {
        let text = "Ж".repeat(length / 2);
        store.commit(put(key(1), expect, &text)).await.expect("committed");
        let (found, version) = read(&store, key(1)).await.expect("a document");
        assert!(found == note(&text), "{length} bytes");
        expect = Expect::At(version);
    }
}

async fn relying_on_a_document_checks_it_and_leaves_it(store: Stage) {
    store.commit(put(key(1), Expect::Absent, "firm")).await.expect("committed");
    let (_, version) = read(&store, key(1)).await.expect("a document");
    let mut batch = put(key(2), Expect::Absent, "built on it");
    batch.assert_version(key(1), Expect::At(version));
    store.commit(batch).await.expect("committed");
    assert_eq!(read(&store, key(1)).await, Some((note("firm"), version)));
    let mut batch = put(key(3), Expect::Absent, "built on sand");
    batch.assert_version(key(1), Expect::At(version + 1));
    assert_eq!(store.commit(batch).await, Err(CommitError::Conflict));
}

async fn relying_on_absence_checks_it(store: Stage) {
    store.commit(put(key(1), Expect::Absent, "here")).await.expect("committed");
    let assert_version = |key| {
        let mut batch = Batch::new();
        batch.assert_version(key, Expect::Absent);
        batch
    };
    assert_eq!(store.commit(assert_version(key(1))).await, Err(CommitError::Conflict));
    assert_eq!(store.commit(assert_version(DocKey { id: 8, ..key(1) })).await, Ok(()));
    assert_eq!(store.commit(assert_version(key(2))).await, Ok(()));
}

async fn adding_a_message_twice_is_adding_it_once(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    let other_words = Message { body: "other words".into(), ..message(1, 1, "another chat", 2) };
    store.commit(send([other_words])).await.expect("committed");
    let claims = store.claim(&store.claim_at(9)).await.expect("a store that answers");
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].delivery.body, "message 1 of 1");
}

async fn a_claimed_message_is_claimed_by_nobody_else_until_its_lease_ends(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    assert_eq!(claimed(&store, &store.claim_at(10)).await, [id(1, 1)]);
    assert!(claimed(&store, &store.claim_at(69)).await.is_empty());
}

async fn a_claimed_message_can_be_claimed_again_when_its_lease_has_ended(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    assert_eq!(claimed(&store, &Claim { lease: SHORT, ..store.claim_at(10) }).await, [id(1, 1)]);
    assert_eq!(
        claimed_in_time(&store, &store.claim_at(70)).await.delivery.id.to_string(),
        id(1, 1)
    );
}

/// A lease so short that it ends during the test, whichever clock it runs on.
const SHORT: Duration = Duration::from_millis(20);

/// Claims until a message is available. Leases may run on the store's own
/// clock, so the test cannot move it.
async fn claimed_in_time(store: &Store, claim: &Claim) -> Claimed {
    let claiming = async {
        loop {
            if let Some(claimed) = store.claim(claim).await.expect("a store that answers").pop() {
                return claimed;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), claiming).await.expect("the lease ends")
}

async fn a_lost_lease_settles_nothing(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    let claim = Claim { lease: SHORT, ..store.claim_at(10) };
    let slow = store.claim(&claim).await.expect("a store that answers").remove(0);
    let quick = claimed_in_time(&store, &store.claim_at(70)).await;
    let mut batch = put(key(1), Expect::Absent, "what the slow one found out");
    batch.settle(slow.ticket, Settlement::Dead { error: failed("too slow") });
    assert_eq!(store.commit(batch).await, Err(CommitError::LostLease));
    assert!(read(&store, key(1)).await.is_none());
    let mut batch = put(key(1), Expect::Absent, "what the quick one found out");
    batch.settle(quick.ticket, Settlement::Sent);
    store.commit(batch).await.expect("committed");
    assert!(read(&store, key(1)).await.is_some());
    assert!(claimed(&store, &store.claim_at(500)).await.is_empty());
}

/// A worker may record something on the message that it has claimed: the lease
/// remains, and nobody else gets the message.
async fn a_claimed_message_that_is_rewritten_in_its_place_stays_claimed(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    let claim = store.claim(&store.claim_at(10)).await.expect("a store that answers").remove(0);
    let key = message_key(claim.delivery.id);
    let stored =
        store.load(&[key]).await.expect("a store that answers").remove(0).expect("the message");
    let noted =
        Delivery { last_error: Some(failed("it may have arrived")), ..claim.delivery.clone() };
    let mut batch = Batch::new();
    batch.put(key, Expect::At(stored.version), &noted, stored.body.listed_at);
    store.commit(batch).await.expect("committed");
    assert!(claimed(&store, &store.claim_at(11)).await.is_empty(), "it is still leased");
    store.is(12);
    let mut batch = Batch::new();
    batch.settle(claim.ticket, Settlement::Retry { wait: seconds(8), error: failed("no answer") });
    store.commit(batch).await.expect("settled");
    assert!(claimed(&store, &store.claim_at(19)).await.is_empty(), "it is not due");
    assert_eq!(claimed(&store, &store.claim_at(20)).await, [id(1, 1)]);
}

/// In a lane without ordering the messages of one order do not wait for each
/// other: one that is due later does not delay one that is due now.
async fn an_unordered_message_does_not_wait_for_an_earlier_one(store: Stage) {
    let watch = |sequence, wait| Message {
        lane: FREE,
        wait: seconds(wait),
        ..message(1, sequence, "bank", 1)
    };
    store.commit(send([watch(1, 1000), watch(2, 10)])).await.expect("committed");
    let claim = |seconds| Claim { lane: FREE, ..store.claim_at(seconds) };
    assert!(claimed(&store, &claim(9)).await.is_empty());
    let due = store.claim(&claim(10)).await.expect("a store that answers").remove(0);
    assert_eq!(due.delivery.id.to_string(), id(1, 2));
    let mut batch = Batch::new();
    batch.settle(due.ticket, Settlement::Sent);
    store.commit(batch).await.expect("settled");
    assert_eq!(claimed(&store, &claim(1000)).await, [id(1, 1)]);
}

async fn a_ticket_settles_once(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    let claim = store.claim(&store.claim_at(10)).await.expect("a store that answers").remove(0);
    let settle = || {
        let mut batch = Batch::new();
        batch.settle(claim.ticket, Settlement::Sent);
        batch
    };
    store.commit(settle()).await.expect("committed");
    assert_eq!(store.commit(settle()).await, Err(CommitError::LostLease));
}

async fn messages_of_one_order_go_in_their_order(store: Stage) {
    // The later message is in another queue, and is due earlier.
    let first = Message { wait: seconds(5), ..message(1, 1, "a", 0) };
    store.commit(send([message(1, 2, "b", 0), first])).await.expect("committed");
    assert!(
        claimed(&store, &store.claim_at(3)).await.is_empty(),
        "the first is not due, so the second must wait"
    );
    let first = store.claim(&store.claim_at(6)).await.expect("a store that answers");
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].delivery.id.sequence, 1);
    let mut batch = Batch::new();
    batch.settle(first[0].ticket, Settlement::Dead { error: failed("no such chat") });
    store.commit(batch).await.expect("committed");
    assert_eq!(
        claimed(&store, &store.claim_at(8)).await,
        [id(1, 2)],
        "a dead message does not delay later ones"
    );
}

async fn one_message_of_each_queue_is_claimed_and_paused_queues_are_skipped(store: Stage) {
    let messages =
        (1..=300).map(|order| message(order, 1, "busy", 1)).chain([message(900, 1, "quiet", 2)]);
    store.commit(send(messages)).await.expect("committed");
    let paused_queues = Claim { paused_queues: vec!["busy".into()], ..store.claim_at(10) };
    assert_eq!(claimed(&store, &paused_queues).await, [id(900, 1)]);
    let both = claimed(&store, &store.claim_at(10)).await;
    assert_eq!(
        both.len(),
        1,
        "one of the busy queue; the only message of the quiet queue is already claimed: {both:?}"
    );
}

async fn queues_take_turns(store: Stage) {
    let queues = ["a", "b", "c", "d", "e"];
    for (order, queue) in (1..).zip(queues) {
        let messages = (1..=3).map(|sequence| message(order, sequence, queue, 1));
        store.commit(send(messages)).await.expect("committed");
    }
    let (mut after_queue, mut turns) = (String::new(), Vec::new());
    for _ in 0..5 {
        let claim = Claim { limit: 2, after_queue: after_queue.clone(), ..store.claim_at(10) };
        for claimed in store.claim(&claim).await.expect("a store that answers") {
            after_queue.clone_from(&claimed.delivery.queue);
            turns.push(claimed.delivery.queue);
            let mut batch = Batch::new();
            batch.settle(claimed.ticket, Settlement::Sent);
            store.commit(batch).await.expect("committed");
        }
    }
    assert_eq!(turns.len(), 10);
    for queue in queues {
        assert_eq!(turns[..5].iter().filter(|turn| *turn == queue).count(), 1, "{turns:?}");
        assert_eq!(turns[5..].iter().filter(|turn| *turn == queue).count(), 1, "{turns:?}");
    }
}

async fn what_is_to_be_tried_again_waits_for_its_time(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    let claim = store.claim(&store.claim_at(10)).await.expect("a store that answers").remove(0);
    let mut batch = Batch::new();
    batch.settle(claim.ticket, Settlement::Retry { wait: seconds(90), error: failed("busy") });
    store.commit(batch).await.expect("committed");
    assert!(claimed(&store, &store.claim_at(99)).await.is_empty());
    let again = store.claim(&store.claim_at(100)).await.expect("a store that answers").remove(0);
    assert_eq!((again.delivery.attempts, again.delivery.last_error), (1, Some(failed("busy"))));
}

/// The first message of an order failed, so it is now sorted after its
/// successors, of which there are more than a claim looks at.
async fn a_failed_message_is_found_behind_all_that_wait_for_it(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    let first = store.claim(&store.claim_at(10)).await.expect("a store that answers").remove(0);
    let mut batch = Batch::new();
    batch.settle(first.ticket, Settlement::Retry { wait: seconds(90), error: failed("busy") });
    store.commit(batch).await.expect("committed");
    store
        .commit(send((2..=400).map(|sequence| message(1, sequence, "chat", 2))))
        .await
        .expect("committed");
    assert!(claimed(&store, &store.claim_at(99)).await.is_empty());
    assert_eq!(claimed(&store, &store.claim_at(100)).await, [id(1, 1)]);
}

async fn what_a_person_has_dropped_is_not_sent_and_stays_dropped(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    let under_way = store.claim(&store.claim_at(10)).await.expect("a store that answers").remove(0);
    let key = message_key(under_way.delivery.id);
    let stored = store.load(&[key]).await.expect("read").remove(0).expect("a message");
    let dropped = Delivery { state: DeliveryState::Dropped { at: at(11) }, ..under_way.delivery };
    let mut batch = Batch::new();
    batch.put(key, Expect::At(stored.version), &dropped, at(1));
    store.commit(batch).await.expect("committed");
    let mut batch = Batch::new();
    batch.settle(under_way.ticket, Settlement::Retry { wait: seconds(1), error: failed("busy") });
    store.commit(batch).await.expect("committed");
    assert!(claimed(&store, &store.claim_at(500)).await.is_empty());
}

async fn dead_messages_are_listed_until_a_person_decides(store: Stage) {
    store.commit(send([message(1, 1, "chat", 1)])).await.expect("committed");
    let claim = store.claim(&store.claim_at(10)).await.expect("a store that answers").remove(0);
    let mut batch = Batch::new();
    batch.settle(claim.ticket, Settlement::Dead { error: failed("no such chat") });
    store.commit(batch).await.expect("committed");
    let listed = |dead| {
        let store = store.clone();
        async move {
            let scan = Scan::Outbox { lane: STRICT, dead, queue: None, after: None, limit: 10 };
            store.scan(&scan).await.expect("a store that answers").items
        }
    };
    assert!(listed(false).await.is_empty());
    let (key, stored) = listed(true).await.remove(0);
    let delivery: Delivery = stored.document().expect("a message");
    let mut batch = Batch::new();
    assert_eq!(key, message_key(delivery.id));
    batch.wake(Expect::At(stored.version), delivery, at(1));
    store.commit(batch).await.expect("committed");
    assert!(listed(true).await.is_empty());
    assert_eq!(claimed(&store, &store.claim_at(20)).await, [id(1, 1)]);
}

async fn an_outbox_is_listed_page_by_page_and_no_message_is_missed(store: Stage) {
    // Two names with the same CRC-32, by which an engine may identify queues.
    let queues = ["plumless", "buckeroo", "chat"];
    store.is(10);
    for (order, queue) in (1..=9).zip(queues.into_iter().cycle()) {
        store.commit(send([message(order, 1, queue, 10)])).await.expect("committed");
    }
    let turned = async |queue: Option<&str>, put_off: bool| {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let queue = queue.map(str::to_owned);
            let scan = Scan::Outbox { lane: STRICT, dead: false, queue, after, limit: 2 };
            let page = store.scan(&scan).await.expect("a store that answers");
            assert!(page.items.len() <= 2);
            for (key, stored) in page.items {
                let delivery: Delivery = stored.document().expect("a message");
                seen.push((delivery.queue.clone(), delivery.id));
                // What was listed moves to the end, once. Messages after it
                // must not move up into pages that were already read.
                if put_off && delivery.state == (DeliveryState::Pending { due: at(10) }) {
                    let later =
                        Delivery { state: DeliveryState::Pending { due: at(99) }, ..delivery };
                    let mut batch = Batch::new();
                    batch.put(key, Expect::At(stored.version), &later, at(1));
                    store.commit(batch).await.expect("committed");
                }
            }
            let Some(next) = page.next else { return seen };
            after = Some(next.to_string().parse::<Cursor>().expect("its own text"));
        }
    };
    let all = turned(None, false).await;
    assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 9);
    assert_eq!(all.len(), 9);
    for queue in queues {
        let mut of_queue = turned(Some(queue), false).await;
        assert!(of_queue.iter().all(|(of, _)| of == queue), "{of_queue:?}");
        assert_eq!(of_queue.len(), 3);
        let meanwhile = turned(Some(queue), true).await;
        of_queue.retain(|shown| !meanwhile.contains(shown));
        assert_eq!(of_queue, []);
    }
    assert!(turned(Some("nobody"), false).await.is_empty());
}

async fn a_callback_that_was_put_off_holds_up_no_later_one(store: Stage) {
    let callback = |sequence| Message { lane: SKIPPING, ..message(1, sequence, "site", 1) };
    store.commit(send([callback(1), callback(2), callback(3)])).await.expect("committed");
    let claim = |seconds| Claim { lane: SKIPPING, ..store.claim_at(seconds) };
    let first = store.claim(&claim(10)).await.expect("a store that answers").remove(0);
    assert_eq!(first.delivery.id.sequence, 1);
    assert!(claimed(&store, &claim(10)).await.is_empty(), "the first one is being sent");
    let mut batch = Batch::new();
    batch.settle(first.ticket, Settlement::Retry { wait: seconds(489), error: failed("500") });
    store.commit(batch).await.expect("committed");
    let second = store.claim(&claim(12)).await.expect("a store that answers").remove(0);
    assert_eq!(second.delivery.id.sequence, 2);
    let mut batch = Batch::new();
    batch.settle(second.ticket, Settlement::Sent);
    store.commit(batch).await.expect("committed");
    // When it is due again, it goes first.
    assert_eq!(claimed(&store, &claim(500)).await, [id(1, 1)]);
}

async fn concurrent_additions_to_a_counter_add_up(store: Stage) {
    let milk = CounterKey { group: "17".into(), name: "milk".into() };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (store, milk) = (store.clone(), milk.clone());
        tasks.spawn(async move {
            let mut batch = Batch::new();
            batch.bump(milk.clone(), CounterChange::Add(-3));
            batch.bump(milk, CounterChange::Add(1));
            store.commit(batch).await
        });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    assert_eq!(store.counters("17", None, 9).await, Ok(vec![(milk.clone(), -200)]));
    let mut batch = Batch::new();
    batch.bump(milk.clone(), CounterChange::Set(40));
    batch.bump(CounterKey { group: "17".into(), name: "bread".into() }, CounterChange::Add(1));
    batch.bump(CounterKey { group: "170".into(), name: "bread".into() }, CounterChange::Add(2));
    store.commit(batch).await.expect("committed");
    let all = store.counters("17", None, 9).await.expect("a store that answers");
    assert_eq!(
        all.iter().map(|(key, value)| (key.name.as_str(), *value)).collect::<Vec<_>>(),
        [("bread", 1), ("milk", 40)]
    );
    let rest = store.counters("17", Some("bread"), 9).await.expect("a store that answers");
    assert_eq!(rest.len(), 1);
    assert_eq!(store.counter_groups().await, Ok(vec!["17".to_owned(), "170".to_owned()]));
}

async fn a_partition_is_walked_alone(store: Stage) {
    for (partition, id) in [(1, 1), (1, 300), (2, 1), (1, 2)] {
        store
            .commit(put(DocKey { id, ..key(partition) }, Expect::Absent, "x"))
            .await
            .expect("committed");
    }
    let scan = Scan::Partition { partition: Partition::from_u64(1), kind: NOTES };
    let found = store.scan(&scan).await.expect("a store that answers").items;
    assert_eq!(found.iter().map(|(key, _)| key.id).collect::<Vec<_>>(), [1, 2, 300]);
}

async fn waiting_workers_wake_up_when_their_lane_has_messages(store: Stage) {
    let (mut strict, mut free) = (store.outbox_wakeups(STRICT), store.outbox_wakeups(FREE));
    let is_woken = async |wakeups: &mut tokio::sync::watch::Receiver<u64>| {
        tokio::time::timeout(Duration::from_secs(10), wakeups.changed()).await.is_ok()
    };
    store.commit(put(key(1), Expect::Absent, "no message")).await.expect("committed");
    assert!(!strict.has_changed().expect("the store is there"));
    store
        .commit(send([message(1, 1, "chat", 1), message(1, 2, "chat", 1)]))
        .await
        .expect("committed");
    assert!(is_woken(&mut strict).await);
    assert!(!free.has_changed().expect("the store is there"), "it has another lane");
    // The next one waited for the first.
    let first = store.claim(&store.claim_at(10)).await.expect("a store that answers").remove(0);
    strict.mark_unchanged();
    let mut batch = Batch::new();
    batch.settle(first.ticket, Settlement::Sent);
    store.commit(batch).await.expect("settled");
    assert!(is_woken(&mut strict).await);
    let later = Message { lane: FREE, wait: seconds(60), ..message(2, 1, "bank", 1) };
    store.commit(send([later])).await.expect("committed");
    assert!(!free.has_changed().expect("the store is there"), "it is not due");
    let message = Message { lane: FREE, ..message(3, 1, "bank", 1) };
    store.commit(send([message])).await.expect("committed");
    assert!(is_woken(&mut free).await);
}

/// Of a lane without an order.
async fn a_claim_takes_as_many_of_each_queue_as_it_says(store: Stage) {
    let of = |queue: &'static str, orders: std::ops::Range<u64>| {
        orders.map(move |order| Message { lane: FREE, ..message(order, 1, queue, 1) })
    };
    let messages = of("a", 1..6).chain(of("b", 11..13)).chain(of("c", 21..26));
    store.commit(send(messages)).await.expect("committed");
    let claim = Claim { lane: FREE, limit_of_queue: 3, ..store.claim_at(10) };
    let queues = async |claim: &Claim| {
        let claimed = store.claim(claim).await.expect("a store that answers");
        let mut queues: Vec<String> =
            claimed.into_iter().map(|claimed| claimed.delivery.queue).collect();
        queues.sort(); // engines order queues differently
        queues
    };
    assert_eq!(queues(&claim).await, ["a", "a", "a", "b", "b", "c", "c", "c"]);
    let one = Claim { limit: 1, ..claim.clone() };
    assert_eq!(queues(&one).await.len(), 1);
    assert_eq!(queues(&claim).await.len(), 3);
    assert_eq!(queues(&claim).await, Vec::<String>::new());
}

/// A process whose connection for hints is not ready yet misses some.
async fn workers_of_other_processes_wake_up_too(store: Stage) {
    let mut wakeups = store.process(1).outbox_wakeups(STRICT);
    let woken = async {
        for order in 1.. {
            store.commit(send([message(order, 1, "chat", 1)])).await.expect("committed");
            let wait = Duration::from_millis(100);
            if tokio::time::timeout(wait, wakeups.changed()).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), woken).await.expect("a hint arrives");
}

async fn a_store_that_works_answers_a_ping(store: Stage) {
    assert_eq!(store.probe().await, Ok(()));
}

/// Runs the list on an engine: `$start` returns a store, and a guard that must
/// live as long as the store.
macro_rules! conformance {
    ($engine:ident, $start:expr, [$($promise:ident),* $(,)?]) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let clock = super::Clock::manual(super::at(0));
                    let (processes, _guard) = $start(&clock).await;
                    let store = processes[0].clone();
                    super::$promise(super::Stage { store, processes, clock }).await;
                }
            )*
        }
    };
}

macro_rules! on_every_engine {
    ($($promise:ident),* $(,)?) => {
        conformance!(on_memory, super::one::in_memory, [$($promise),*]);
        conformance!(on_sled, super::one::on_sled, [$($promise),*]);
        conformance!(on_postgres, super::one::on_postgres, [$($promise),*]);
    };
}

/// Stores of one process.
mod one {
    use super::{Clock, Store};

    pub async fn in_memory(clock: &Clock) -> (Vec<Store>, ()) {
        (vec![super::in_memory(clock).await.0], ())
    }

    pub async fn on_sled(clock: &Clock) -> (Vec<Store>, tempfile::TempDir) {
        let (store, folder) = super::sled_in_a_new_folder(clock).await;
        (vec![store], folder)
    }

    pub async fn on_postgres(clock: &Clock) -> (Vec<Store>, ()) {
        (vec![super::postgres_in_a_new_database(clock).await.0], ())
    }
}

/// One database, opened three times.
async fn three_processes(clock: &Clock) -> (Vec<Store>, ()) {
    use super::postgres::tests::{database::Server, open_by};
    let url = Server::shared().new_database().await;
    (vec![open_by(&url, clock).await, open_by(&url, clock).await, open_by(&url, clock).await], ())
}

pub async fn in_memory(clock: &Clock) -> (Store, ()) {
    (Store::Memory(Arc::new(super::memory::Memory::new(clock.clone()))), ())
}

pub async fn sled_in_a_new_folder(clock: &Clock) -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let engine = super::sled::Sled::open(&data, 16 << 20, clock.clone()).expect("a new store");
    (Store::Sled(Arc::new(engine)), folder)
}

pub async fn postgres_in_a_new_database(clock: &Clock) -> (Store, ()) {
    let url = super::postgres::tests::database::Server::shared().new_database().await;
    (super::postgres::tests::open_by(&url, clock).await, ())
}

on_every_engine![
    what_was_committed_is_read_back,
    what_should_be_absent_is_created_once,
    a_batch_is_whole_or_nothing,
    every_write_makes_a_new_version_and_old_ones_conflict,
    of_many_who_create_the_same_exactly_one_succeeds,
    of_many_who_change_the_same_exactly_one_succeeds,
    there_is_no_absence_skew,
    long_documents_come_back_whole_and_leave_nothing_behind,
    relying_on_a_document_checks_it_and_leaves_it,
    relying_on_absence_checks_it,
    adding_a_message_twice_is_adding_it_once,
    a_claimed_message_is_claimed_by_nobody_else_until_its_lease_ends,
    a_claimed_message_can_be_claimed_again_when_its_lease_has_ended,
    a_claimed_message_that_is_rewritten_in_its_place_stays_claimed,
    an_unordered_message_does_not_wait_for_an_earlier_one,
    a_lost_lease_settles_nothing,
    a_ticket_settles_once,
    messages_of_one_order_go_in_their_order,
    one_message_of_each_queue_is_claimed_and_paused_queues_are_skipped,
    a_claim_takes_as_many_of_each_queue_as_it_says,
    queues_take_turns,
    what_is_to_be_tried_again_waits_for_its_time,
    a_failed_message_is_found_behind_all_that_wait_for_it,
    what_a_person_has_dropped_is_not_sent_and_stays_dropped,
    dead_messages_are_listed_until_a_person_decides,
    an_outbox_is_listed_page_by_page_and_no_message_is_missed,
    a_callback_that_was_put_off_holds_up_no_later_one,
    concurrent_additions_to_a_counter_add_up,
    lists_are_walked_by_time_without_gap_or_repeat,
    a_document_is_in_the_lists_that_it_names,
    who_misses_a_document_in_a_list_reads_its_successor,
    documents_of_several_kinds_share_a_list,
    there_is_no_oversell,
    an_account_is_not_overdrawn,
    a_refused_floor_writes_nothing_and_says_which,
    a_duplicate_of_a_batch_with_a_floor_conflicts_with_it,
    copies_at_once_conflict_and_are_not_short,
    a_commit_returns_the_sums_of_its_floors,
    a_batch_that_does_not_lower_a_sum_is_never_refused,
    floors_of_several_counters_hold_together,
    a_counter_with_a_floor_is_the_sum_of_its_changes,
    a_moved_or_removed_document_leaves_the_list,
    a_partition_is_walked_alone,
    waiting_workers_wake_up_when_their_lane_has_messages,
    a_worker_is_handed_new_messages_until_it_is_full,
    what_is_not_written_is_not_handed_over,
    a_message_that_was_handed_over_can_be_claimed_when_its_lease_has_ended,
    a_store_that_works_answers_a_ping,
];

conformance!(
    on_postgres_with_three_processes,
    super::three_processes,
    [
        of_many_who_create_the_same_exactly_one_succeeds,
        lists_are_walked_by_time_without_gap_or_repeat,
        a_document_is_in_the_lists_that_it_names,
        who_misses_a_document_in_a_list_reads_its_successor,
        there_is_no_oversell,
        an_account_is_not_overdrawn,
        a_refused_floor_writes_nothing_and_says_which,
        copies_at_once_conflict_and_are_not_short,
        a_commit_returns_the_sums_of_its_floors,
        a_batch_that_does_not_lower_a_sum_is_never_refused,
        floors_of_several_counters_hold_together,
        a_counter_with_a_floor_is_the_sum_of_its_changes,
        workers_of_other_processes_wake_up_too,
    ]
);
