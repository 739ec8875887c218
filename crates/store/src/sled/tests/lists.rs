//! How pages, lists and the outbox are stored in the tree.

use super::{CACHE, LANE, bytes_of, key, open, options, put};
use crate::conformance::with_word;
use crate::scan::Line;
use crate::sled::Sled;
use crate::sled::lists::Member;
use crate::{Batch, Body, Expect, Scan, Store};
use std::sync::Arc;
use tillgate_kernel::Partition;
use tillgate_kernel::outbox::{Claim, Settlement};
use tillgate_kernel::outbox::{Message, MessageId};
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Clock, Timestamp};

/// How many keys begin with a byte.
fn entries(tree: &sled::Tree, prefix: u8) -> usize {
    tree.scan_prefix([prefix]).count()
}

/// Orders that are created at the same moment share an entry. Each gets its own
/// when it is written again, and a block with too few pages left is dissolved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_new_orders_share_a_block_until_they_move_away() {
    const ORDERS: u64 = 60;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (entered, mut has_entered) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let engine = Sled::open_with(folder.path(), options(), move |file| {
        Box::new(move || {
            let _ = entered.send(());
            let _ = released.recv(); // until the sender is gone, then at once
            file.sync_data()
        })
    })
    .expect("the store opens");
    let tree = engine.tree.clone();
    let store = Store::Sled(Arc::new(engine));
    let bytes_of_order = |order: u64| format!("the order {order} as it was").into_bytes();
    // While the disk handles a first group, the others gather.
    let mut commits = tokio::task::JoinSet::new();
    for order in 1..=ORDERS {
        let (store, batch) = (store.clone(), put(order, &bytes_of_order(order)));
        commits.spawn(async move { store.commit(batch).await });
        if order == 1 {
            has_entered.recv().await.expect("the committer is at its first group");
        }
    }
    drop(release);
    assert!(commits.join_all().await.iter().all(Result::is_ok));
    let blocks = entries(&tree, b'k');
    assert!((1..30).contains(&blocks), "{blocks} blocks for {ORDERS} orders");
    let seats = entries(&tree, b'b');

    // All but one are written again or removed, and after each step all are
    // read.
    let mut expected = std::collections::BTreeMap::new();
    for order in 1..=ORDERS {
        let stored = store.load(&[key(order)]).await.expect("read").pop().flatten().expect("there");
        assert_eq!(stored.body.bytes, bytes_of_order(order));
        let mut batch = Batch::new();
        match order {
            33 => {
                expected.insert(order, stored.body.bytes);
                continue;
            }
            removed if removed % 4 == 0 => batch.delete(key(order), stored.version),
            _ => {
                let bytes = format!("the order {order} changed").into_bytes();
                expected.insert(order, bytes.clone());
                batch.put_body(
                    key(order),
                    Expect::At(stored.version),
                    Body { bytes, ..stored.body },
                );
            }
        }
        store.commit(batch).await.expect("committed");
        for (order, bytes) in &expected {
            assert_eq!(bytes_of(&store, *order).await.as_ref(), Ok(&Some(bytes.clone())));
        }
    }
    assert!(entries(&tree, b'b') > seats, "a page that was written again has its own page slot");
    assert_eq!(
        entries(&tree, b'k') + entries(&tree, b'n'),
        0,
        "a block with one page left is dissolved"
    );
    store.close().await;
    drop((store, tree));
    let store = open(folder.path());
    for order in 1..=ORDERS {
        assert_eq!(
            bytes_of(&store, order).await,
            Ok(expected.get(&order).cloned()),
            "order {order}"
        );
    }
    store.close().await;
}

#[test]
fn keys_sort_times_chronologically() {
    let mut raw: Vec<Vec<u8>> = [-5_i64, -1, 0, 1, 1_000_000]
        .map(|seconds| {
            let listed_at = from_micros(seconds * 1_000_000);
            Line { list: with_word("x"), listed_at, key: key(1) }.prefix()
        })
        .into();
    let sorted = raw.clone();
    raw.sort();
    assert_eq!(raw, sorted);
}

/// Items that several groups list in the same stretch of time are walked as one
/// list, whichever group wrote first.
#[tokio::test]
async fn what_several_groups_listed_at_one_time_is_walked_in_order() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    let lists = vec![with_word("x")];
    let body_at = |micros| Body {
        schema: 1,
        listed_at: from_micros(micros),
        lists: lists.clone(),
        bytes: b"x".to_vec(),
    };
    // Each is in a commit, and so in a group, of its own; some share a bucket,
    // and two have the same time.
    let micros = [50, 10, 900_000, 30, 10, 400_000, 20, 400_001];
    for (partition, micros) in (1..).zip(micros) {
        let mut batch = Batch::new();
        batch.put_body(key(partition), Expect::Absent, body_at(micros));
        store.commit(batch).await.expect("committed");
    }
    // One document moves, one is removed.
    for (partition, micros) in [(1, Some(15)), (4, None)] {
        let stored =
            store.load(&[key(partition)]).await.expect("read").pop().flatten().expect("there");
        let mut batch = Batch::new();
        match micros {
            Some(micros) => {
                batch.put_body(key(partition), Expect::At(stored.version), body_at(micros));
            }
            None => batch.delete(key(partition), stored.version),
        }
        store.commit(batch).await.expect("committed");
    }
    let right = [10, 10, 15, 20, 400_000, 400_001, 900_000];
    for limit in 1..=8 {
        for newest_first in [false, true] {
            let (mut after, mut walked) = (None, Vec::new());
            loop {
                let scan = Scan::Lists { lists: lists.clone(), newest_first, after, limit };
                let page = store.scan(&scan).await.expect("a page");
                walked.extend(
                    page.items.iter().map(|(_, stored)| stored.body.listed_at.as_microsecond()),
                );
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            if newest_first {
                walked.reverse();
            }
            assert_eq!(walked, right, "limit {limit}, newest first: {newest_first}");
        }
    }
    store.close().await;
}

/// Messages of several groups and times wait in one line, no matter who wrote
/// them, and sent messages leave no entries.
#[tokio::test]
async fn messages_of_many_groups_wait_in_one_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let open = || {
        let engine = Sled::open(folder.path(), CACHE, clock.clone());
        Store::Sled(Arc::new(engine.expect("the store opens")))
    };
    let mut store = open();
    let second = 1_000_000;
    // Each is in a group of its own; some share a bucket of time, and two are
    // due at the same moment.
    let due = [5_000, 2_000, 9 * second, 2_000, 1_000, 9 * second - 1, 7_000];
    for (place, micros) in (0..).zip(due) {
        let id = MessageId { subject: Partition::from_u64(place), sequence: 1 };
        let (lane, queue, body) = (LANE, "chat".to_owned(), String::new());
        let mut batch = Batch::new();
        // The index has microseconds, clocks are finer.
        let (created_at, wait) =
            (clock.now(), std::time::Duration::from_nanos(micros * 1000 + 789));
        batch.send(Message { id, lane, queue, body, created_at, wait });
        store.commit(batch).await.expect("committed");
    }
    clock.advance(std::time::Duration::from_micros(20 * second));
    let mut sent = Vec::new();
    for _ in due {
        // The second half is sent by another process.
        if sent.len() == 3 {
            store.close().await;
            drop(store);
            store = open();
        }
        let (lane, lease, paused_queues) = (LANE, std::time::Duration::from_secs(60), Vec::new());
        let claimed = store
            .claim(&Claim {
                lane,
                lease,
                limit: 9,
                limit_of_queue: 1,
                paused_queues,
                after_queue: String::new(),
            })
            .await
            .expect("claimed");
        assert_eq!(claimed.len(), 1, "one of a queue at a time");
        sent.push(claimed[0].delivery.id.subject.get());
        let mut batch = Batch::new();
        batch.settle(claimed[0].ticket, Settlement::Sent);
        store.commit(batch).await.expect("settled");
    }
    assert_eq!(sent, [4, 1, 3, 0, 6, 5, 2]);
    let Store::Sled(engine) = &store else { panic!("it is a sled store") };
    assert_eq!(entries(&engine.tree, b'q'), 0);
    store.close().await;
}
