//! Acknowledged means on the disk; and what happens when the disk fails or
//! hangs.

use super::{CACHE, LANE, bytes_of, key, open, options, put};
use crate::sled::start::Watch;
use crate::sled::{OpenError, Sled};
use crate::{Batch, Body, CommitError, CounterChange, CounterKey, Expect, Store, Unavailable};
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;
use tillgate_kernel::Partition;
use tillgate_kernel::outbox::{Claim, Ticket};
use tillgate_kernel::outbox::{Message, MessageId};
use tillgate_kernel::{Clock, Timestamp};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_is_there_after_closing_and_opening() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    store.commit(put(1, b"short")).await.expect("committed");
    store.commit(put(2, &[7; 200_000])).await.expect("committed");
    let mut batch = Batch::new();
    batch.bump(CounterKey { group: "17".into(), name: "milk".into() }, CounterChange::Add(-2));
    store.commit(batch).await.expect("committed");
    let version = store.load(&[key(1)]).await.expect("read")[0].as_ref().expect("there").version;
    store.close().await;
    drop(store);

    let store = open(folder.path());
    assert_eq!(bytes_of(&store, 1).await, Ok(Some(b"short".to_vec())));
    assert_eq!(bytes_of(&store, 2).await, Ok(Some(vec![7; 200_000])));
    assert_eq!(store.counters("17", None, 9).await.expect("read")[0].1, -2);
    store.commit(put(3, b"new")).await.expect("committed");
    let newer = store.load(&[key(3)]).await.expect("read")[0].as_ref().expect("there").version;
    assert!(newer > version, "versions go on after opening: {newer} after {version}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    let second = Sled::open(folder.path(), CACHE, Clock::System).expect_err("two at once");
    assert!(matches!(second, OpenError::InUse { .. }), "{second:?}");
    assert!(second.to_string().contains("another tillgate is running"), "{second}");
    assert_eq!(second.to_string().lines().count(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_used_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").expect("written");
    let why = Sled::open(&file.join("data"), CACHE, Clock::System)
        .expect_err("a file is no folder")
        .to_string();
    assert!(why.contains("file/data") && why.contains("store = \"sled:"), "{why}");
}

/// A group waits only a moment for work that never gets to its commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_hangs_holds_up_no_commit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    let _hanging = [store.begin_work(), store.begin_work()];
    store.commit(put(1, b"not held up")).await.expect("committed");
    store.close().await;
}

/// After a failed sync the disk may keep the old bytes although the next sync
/// returns OK: nothing may be acknowledged any more, and nothing that was not
/// durable may be shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let syncs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&syncs);
    let engine = Sled::open_with(folder.path(), options(), move |file| {
        Box::new(move || match counted.fetch_add(1, Ordering::SeqCst) {
            1 => Err(io::Error::other("the disk is gone")),
            _ => file.sync_data(), // it would work again, and must not be called
        })
    });
    let store = Store::Sled(Arc::new(engine.expect("the store opens")));
    store.commit(put(1, b"before")).await.expect("committed");
    let failed = store.commit(put(2, b"lost")).await.expect_err("the sync fails");
    assert!(
        matches!(
            &failed,
            CommitError::Unavailable(Unavailable::Stopped(why)) if why.contains("the disk is gone")
        ),
        "{failed}"
    );
    for partition in 3..6 {
        let refused = store.commit(put(partition, b"after")).await;
        assert!(
            matches!(refused, Err(CommitError::Unavailable(Unavailable::Stopped(_)))),
            "{refused:?}"
        );
    }
    assert_eq!(syncs.load(Ordering::SeqCst), 2, "no sync after the one that failed");
    assert!(store.probe().await.is_err());
    assert!(bytes_of(&store, 2).await.is_err(), "what is not durable is not shown");
    assert!(store.stopped().await.contains("the disk is gone"));
}

/// A reader may find a record before it is on the disk. It must wait; otherwise
/// a duplicate of a hook would be acknowledged although a power cut can still
/// undo the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_is_durable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (entered, has_entered) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel();
    let engine = Sled::open_with(folder.path(), options(), move |file| {
        Box::new(move || {
            entered.send(()).map_err(io::Error::other)?;
            released.recv().map_err(io::Error::other)?;
            file.sync_data()
        })
    });
    let mut has_entered = has_entered;
    let store = Store::Sled(Arc::new(engine.expect("the store opens")));
    let writer = tokio::spawn({
        let store = store.clone();
        async move { store.commit(put(1, b"on its way")).await }
    });
    has_entered.recv().await.expect("the committer is in its sync");
    // The reader finds the record in sled at its first poll, and must still
    // wait.
    let mut reading = Box::pin(bytes_of(&store, 1));
    let first_step =
        std::future::poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
    assert_eq!(first_step, Poll::Pending, "the reader did not wait for the disk");
    release.send(()).expect("the committer listens");
    assert_eq!(writer.await.expect("no panic"), Ok(()));
    assert_eq!(reading.await, Ok(Some(b"on its way".to_vec())));
}

/// A page and the pieces of a long body are several entries of sled. A reader
/// between two commits must not take a page that has just changed for a damaged
/// one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_during_writes_see_whole_documents() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    store.commit(put(1, &[0; 10_000])).await.expect("committed");
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for round in 1..=200_u8 {
                let version =
                    store.load(&[key(1)]).await.expect("read")[0].as_ref().expect("there").version;
                let length = [10_000, 120_000, 3_000, 9_000][usize::from(round) % 4];
                let body = Body {
                    schema: 1,
                    listed_at: Timestamp::UNIX_EPOCH,
                    lists: Vec::new(),
                    bytes: vec![round; length],
                };
                let mut batch = Batch::new();
                batch.put_body(key(1), Expect::At(version), body);
                store.commit(batch).await.expect("committed");
            }
        }
    });
    let mut reads = 0_u32;
    while !writer.is_finished() {
        let bytes = bytes_of(&store, 1).await.expect("no damage").expect("there");
        assert!(
            bytes.iter().all(|byte| *byte == bytes[0]),
            "half of one version and half of another"
        );
        reads += 1;
        tokio::task::yield_now().await;
    }
    writer.await.expect("no panic");
    assert!(reads > 0);
    store.close().await;
}

/// A store on a disk whose syncs wait until they are released.
fn held_back(
    folder: &Path,
) -> (Store, tokio::sync::mpsc::UnboundedReceiver<()>, std::sync::mpsc::Sender<()>) {
    let (entered, has_entered) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel();
    let engine = Sled::open_with(folder, options(), move |file| {
        Box::new(move || {
            entered.send(()).map_err(io::Error::other)?;
            released.recv().map_err(io::Error::other)?;
            file.sync_data()
        })
    });
    (Store::Sled(Arc::new(engine.expect("the store opens"))), has_entered, release)
}

/// A sender must not send a message that a power cut can still undo.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claimed_message_is_durable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, mut has_entered, release) = held_back(folder.path());
    let mut batch = Batch::new();
    let id = MessageId { subject: Partition::from_u64(1), sequence: 1 };
    let (lane, queue, body) = (LANE, "chat".to_owned(), String::new());
    let (created_at, wait) = (Timestamp::UNIX_EPOCH, Duration::ZERO);
    batch.send(Message { id, lane, queue, body, created_at, wait });
    let writer = tokio::spawn({
        let store = store.clone();
        async move { store.commit(batch).await }
    });
    has_entered.recv().await.expect("the sync begins");
    let claim = Claim {
        lane,
        lease: Duration::from_secs(60),
        limit: 9,
        limit_of_queue: 1,
        paused_queues: Vec::new(),
        after_queue: String::new(),
    };
    let mut claiming = Box::pin(store.claim(&claim));
    // Wait until the message is leased; the claim itself must stay pending.
    let Store::Sled(engine) = &store else { panic!("it is a sled store") };
    let leased = async {
        loop {
            let is_pending = std::future::poll_fn(|context| {
                Poll::Ready(claiming.as_mut().poll(context).is_pending())
            });
            assert!(is_pending.await, "it is handed out before it is durable");
            tokio::task::yield_now().await;
            let leases = engine.leases.lock().expect("not poisoned");
            let has_read =
                engine.reads.available_permits() == super::super::reading::READS_AT_ONCE_MAX;
            if leases.holds(Ticket { id, fence: 1 }) && has_read {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), leased).await.expect("it is leased");
    for _ in 0..100 {
        let is_pending = std::future::poll_fn(|context| {
            Poll::Ready(claiming.as_mut().poll(context).is_pending())
        });
        assert!(is_pending.await, "it is handed out before it is durable");
        tokio::task::yield_now().await;
    }
    release.send(()).expect("the committer waits");
    assert_eq!(claiming.await.expect("claimed").len(), 1);
    writer.await.expect("no panic").expect("committed");
    drop(release);
}

/// While a disk hangs, nothing waits behind it for long and nothing blocks the
/// runtime; when it continues, nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_disk_hangs_every_call_fails_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, mut has_entered, release) = held_back(folder.path());
    let writer = tokio::spawn({
        let store = store.clone();
        async move { store.commit(put(1, b"before")).await }
    });
    has_entered.recv().await.expect("the sync begins");
    let stalled = async {
        while !matches!(store.load(&[key(9)]).await, Err(Unavailable::Stalled { .. })) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), stalled).await.expect("it is noticed");
    let watch = tillgate_kernel::Stopwatch::start();
    let claim = Claim {
        lane: LANE,
        lease: Duration::from_secs(60),
        limit: 9,
        limit_of_queue: 1,
        paused_queues: Vec::new(),
        after_queue: String::new(),
    };
    let is_stalled = |why: Option<Unavailable>| {
        assert!(matches!(why, Some(Unavailable::Stalled { .. })), "{why:?}")
    };
    is_stalled(store.load(&[key(1)]).await.err());
    is_stalled(store.claim(&claim).await.err());
    is_stalled(store.partitions(None, 9).await.err());
    is_stalled(store.counter_groups().await.err());
    is_stalled(store.probe().await.err());
    let refused = store.commit(put(2, b"meanwhile")).await;
    assert!(
        matches!(refused, Err(CommitError::Unavailable(Unavailable::Stalled { .. }))),
        "{refused:?}"
    );
    assert!(watch.elapsed() < Duration::from_secs(1), "{:?}", watch.elapsed());
    release.send(()).expect("the committer waits");
    writer.await.expect("no panic").expect("it was committed after all");
    drop(release);
}

/// The machine's clock was set back, by hours or days, while nothing ran:
/// neither waiting nor new messages are delayed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_set_back_delays_no_message() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let message = |sequence| {
        let id = MessageId { subject: Partition::from_u64(sequence), sequence: 1 };
        let (lane, queue, body) = (LANE, format!("chat {sequence}"), String::new());
        let mut batch = Batch::new();
        let (created_at, wait) = (Timestamp::UNIX_EPOCH, Duration::ZERO);
        batch.send(Message { id, lane, queue, body, created_at, wait });
        batch
    };
    for (count, wrong_by) in (1_u64..).zip([0, 3600, -2 * 86_400, 2 * 86_400, -3600]) {
        let store = Store::Sled(Arc::new(
            Sled::open(folder.path(), CACHE, Clock::Wrong(wrong_by)).expect("the store opens"),
        ));
        store.commit(message(count)).await.expect("committed");
        let lease = Duration::from_secs(60);
        let claim = Claim {
            lane: LANE,
            lease,
            limit: 9,
            limit_of_queue: 1,
            paused_queues: Vec::new(),
            after_queue: String::new(),
        };
        let claimed = store.claim(&claim).await.expect("claimed");
        assert_eq!(claimed.len() as u64, count, "by a clock that is wrong by {wrong_by} s");
        store.close().await;
    }
}

/// When the disk, or sled, hangs for good, callers get an error and the process
/// is ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_hangs_ends_the_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (ending, ended) = tokio::sync::oneshot::channel::<()>();
    let hangs = |file: std::fs::File| -> super::super::Sync {
        Box::new(move || {
            let _ = released.recv(); // until the sender is gone
            file.sync_data()
        })
    };
    let end = || drop(ending);
    let engine = Sled::open_watched(
        folder.path(),
        options(),
        hangs,
        Watch { stall_max: Duration::from_millis(100), end },
    )
    .expect("the store opens");
    let store = Store::Sled(Arc::new(engine));
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.commit(put(1, b"x")).await })
    };
    let stopped = tokio::time::timeout(Duration::from_secs(20), store.stopped()).await;
    let why = stopped.expect("it is noticed");
    assert!(why.contains("sync of the disk has not ended"), "{why}");
    assert!(ended.await.is_err(), "the process is ended");
    // The disk continues after the store has stopped: the waiting commit is not
    // acknowledged.
    drop(release);
    let outcome = waiting.await.expect("no panic");
    assert!(
        matches!(outcome, Err(CommitError::Unavailable(Unavailable::Stopped(_)))),
        "{outcome:?}"
    );
}
