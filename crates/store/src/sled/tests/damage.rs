//! Damaged stores: damaged data is refused with an error that names it, and
//! nothing is served that is incomplete or outdated.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tillgate_kernel::Partition;

use super::super::index::{Index, Location, write_pointers};
use super::super::{OpenError, Sled};
use super::{CACHE, bytes_of, key, open, put};
use crate::conformance::NOTES;
use crate::{Batch, Body, Expect, Store, Unavailable};
use tillgate_kernel::{Clock, Timestamp};

/// Copies the files of a store.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the store's files") {
        let entry = entry.expect("a file");
        if entry.file_type().expect("a kind").is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}

/// Waits until `group` is recorded as durable.
async fn noted(folder: &Path, group: u64) {
    let waiting = async {
        while !matches!(super::super::note::noted(folder), Ok(Some(noted)) if noted >= group) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .expect("the group is noted within ten seconds");
}

/// A store without its log is not created again: the durability note shows that
/// there was one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_log_is_missing_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    store.commit(put(1, b"an order")).await.expect("committed");
    store.close().await;
    drop(store);
    std::fs::remove_file(folder.path().join("db")).expect("removed");
    for _ in 0..2 {
        let why =
            Sled::open(folder.path(), CACHE, Clock::System).expect_err("it is missing").to_string();
        assert!(why.contains("its file db is missing"), "{why}");
    }
    assert!(folder.path().join("conf").exists() && !folder.path().join("db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_a_record_is_named_and_never_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    store.commit(put(1, b"an order of two bottles of milk")).await.expect("committed");
    store.commit(put(2, b"intact")).await.expect("committed");
    store.close().await;
    drop(store);
    {
        let tree = super::super::opening::open_guarded(folder.path(), CACHE).expect("sled opens");
        let (index, _) = Index::open(&tree).expect("the index");
        let Ok(Some(Location::PageSlot(seat))) = index.find(Partition::from_u64(1)) else {
            panic!("it has no page slot")
        };
        let raw = super::super::keys::seat(seat);
        let mut value = tree.get(&raw).expect("read").expect("there").to_vec();
        let place = value.len() - 3;
        value[place] ^= 0x10;
        tree.insert(raw, value).expect("written");
        tree.flush().expect("flushed");
    }
    let store = open(folder.path());
    let why = bytes_of(&store, 1).await.expect_err("the record is damaged").to_string();
    assert!(why.contains("notes/1/0") && why.contains("not served"), "{why}");
    assert_eq!(bytes_of(&store, 2).await, Ok(Some(b"intact".to_vec())));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_under_a_wrong_key_is_not_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    store.commit(put(1, b"of order 1")).await.expect("committed");
    store.close().await;
    drop(store);
    {
        let tree = super::super::opening::open_guarded(folder.path(), CACHE).expect("sled opens");
        let (index, _) = Index::open(&tree).expect("the index");
        let spot = index.find(Partition::from_u64(1)).expect("read");
        tree.insert(
            super::super::keys::moved(9, 0),
            write_pointers(&[(Partition::from_u64(2), spot)]),
        )
        .expect("written");
        tree.flush().expect("flushed");
    }
    let store = open(folder.path());
    assert!(bytes_of(&store, 2).await.is_err());
    store.close().await;
}

/// How many bits each of the tests below flips. `TILLGATE_FLIPS` sets another
/// number.
fn flips() -> u64 {
    std::env::var("TILLGATE_FLIPS").ok().and_then(|flips| flips.parse().ok()).unwrap_or(24)
}

/// Silences the panics of sled's threads: sled panics on damage, which is
/// caught and reported. Panics of the tests themselves are printed.
fn quiet_elsewhere() {
    static QUIET: std::sync::Once = std::sync::Once::new();
    QUIET.call_once(|| {
        let default_hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Tests run on threads that are named after them.
            if std::thread::current().name().is_some_and(|name| name.contains("tests::")) {
                default_hook(panic);
            }
        }));
    });
}

/// How many orders are in a store whose bits are flipped.
const KEPT: u64 = 330;

fn text_of(order: u64) -> Vec<u8> {
    format!("the order {order} as it was").into_bytes()
}

/// Flips one bit after another in copies of a store that was closed, or killed,
/// a second after its last order. A store with a flipped bit is intact, or
/// refuses to open, or refuses to serve what is damaged, each with an error
/// that names it. None serves less.
async fn no_flipped_bit_is_served(is_closed: bool) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    for order in 0..KEPT {
        store.commit(put(order, &text_of(order))).await.expect("committed");
    }
    noted(folder.path(), KEPT).await;
    if is_closed {
        store.close().await;
    }
    let names = ["db", "conf", super::super::note::FILE];
    let left: Vec<Vec<u8>> =
        names.iter().map(|name| std::fs::read(folder.path().join(name)).expect("a file")).collect();
    let (mut whole, mut refused, mut hit) = (0, 0, 0);
    quiet_elsewhere();
    for _ in 0..flips() {
        let copy = tempfile::tempdir().expect("a temporary folder");
        let mut files = left.clone();
        let written = files[0].iter().rposition(|&byte| byte != 0).expect("something was written");
        let random = u64::from_be_bytes(tillgate_kernel::chance::random_bytes());
        let place = usize::try_from(random >> 3).unwrap_or(usize::MAX)
            % (written + files[1].len() + files[2].len());
        let bit = 1 << (random & 7);
        match (place.checked_sub(written), place.checked_sub(written + files[1].len())) {
            (None, _) => files[0][place] ^= bit,
            (Some(place), None) => files[1][place] ^= bit,
            (_, Some(place)) => files[2][place] ^= bit,
        }
        for (name, bytes) in names.iter().zip(&files) {
            std::fs::write(copy.path().join(name), bytes).expect("written");
        }
        let engine = match Sled::open_in_time(copy.path(), CACHE, &Clock::System).await {
            Ok(engine) => engine,
            Err(OpenError::Broken { .. } | OpenError::Lacks { .. }) => {
                refused += 1;
                continue;
            }
            Err(other) => panic!("byte {place}: {other}"),
        };
        let store = Store::Sled(Arc::new(engine));
        let mut is_hit = false;
        for order in 0..KEPT {
            match bytes_of(&store, order).await {
                Ok(Some(bytes)) => assert_eq!(bytes, text_of(order), "byte {place} was flipped"),
                Ok(None) => {
                    panic!("order {order} has vanished without an error: byte {place} was flipped")
                }
                Err(Unavailable::Damaged { .. }) => is_hit = true,
                Err(other) => panic!("byte {place}: {other}"),
            }
        }
        if is_hit {
            hit += 1
        } else {
            whole += 1
        }
        store.close().await;
    }
    println!(
        "{} flips: {whole} without effect, {refused} refused, {hit} with unreadable records",
        flips()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_a_store_that_was_closed_loses_nothing_in_silence() {
    no_flipped_bit_is_served(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_a_store_that_was_killed_loses_nothing_in_silence() {
    no_flipped_bit_is_served(false).await;
}

/// Text that does not compress and is different for each order.
fn long_text_of(order: u64, revision: u64) -> Vec<u8> {
    let mut state = (order << 8 | revision).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = format!("order {order}, revision {revision}: ").into_bytes();
    while text.len() < 4000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.extend_from_slice(&state.to_be_bytes());
    }
    text
}

/// In a log of many segments sled skips invalid records in the middle. Half of
/// the bits are flipped near the ends of segments, where sled has the least to
/// miss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_a_log_of_many_segments_loses_nothing_in_silence() {
    const ORDERS: u64 = 3000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    // Every third order is written again, so that old and new versions of pages
    // are far apart.
    for (revision, step) in [(1, 1), (2, 3)] {
        let mut writing = tokio::task::JoinSet::new();
        for order in (0..ORDERS).step_by(step) {
            let store = store.clone();
            writing.spawn(async move {
                let before = store.load(&[key(order)]).await.expect("read").pop().flatten();
                let expect = before.map_or(Expect::Absent, |stored| Expect::At(stored.version));
                let mut batch = Batch::new();
                let bytes = long_text_of(order, revision);
                let body =
                    Body { schema: 1, listed_at: Timestamp::UNIX_EPOCH, lists: Vec::new(), bytes };
                batch.put_body(key(order), expect, body);
                store.commit(batch).await.expect("committed");
            });
            while writing.len() >= 64 {
                writing.join_next().await.expect("one").expect("no panic");
            }
        }
        while let Some(written) = writing.join_next().await {
            written.expect("no panic");
        }
    }
    let Store::Sled(engine) = &store else { panic!("it is sled") };
    let last = super::super::keys::read_last_group(&engine.tree).expect("a group");
    noted(folder.path(), last).await;
    let snapshots = std::fs::read_dir(folder.path()).expect("a folder").filter_map(|entry| {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        name.starts_with("snap.").then_some(name)
    });
    let names =
        ["db", "conf", super::super::note::FILE].map(str::to_owned).into_iter().chain(snapshots);
    let left: Vec<(String, Vec<u8>)> = names
        .map(|name| (name.clone(), std::fs::read(folder.path().join(name)).expect("a file")))
        .collect();
    let db = &left[0].1;
    let segments = db.len() / super::super::SEGMENT_BYTES;
    assert!(segments >= 5, "{segments} segments");
    super::super::log::check(folder.path()).expect_err("it is in use");
    // On a busy machine sled may have made a snapshot meanwhile; then it reads
    // nothing that is older.
    let read_whole = super::super::log::read_whole(folder.path());
    quiet_elsewhere();
    let (mut whole, mut refused, mut named) = (0, 0, 0);
    for flip in 0..=flips() {
        let copy = tempfile::tempdir().expect("a temporary folder");
        let mut bytes = db.clone();
        let random = u64::from_be_bytes(tillgate_kernel::chance::random_bytes());
        let random_place = usize::try_from(random >> 3).unwrap_or(usize::MAX);
        let place = if flip % 4 == 2 && !read_whole.is_empty() {
            let segment = read_whole[(random_place >> 30) % read_whole.len()];
            segment * super::super::SEGMENT_BYTES
                + random_place % (super::super::SEGMENT_BYTES - 8192)
        } else if flip % 4 == 0 {
            random_place % bytes.len()
        } else {
            let segment = random_place % segments;
            (segment + 1) * super::super::SEGMENT_BYTES - 1 - (random_place >> 20) % 300_000
        };
        if flip > 0 {
            bytes[place] ^= 1 << (random & 7);
        }
        for (name, as_it_was) in &left {
            let bytes = if name == "db" { &bytes } else { as_it_was };
            std::fs::write(copy.path().join(name), bytes).expect("written");
        }
        let before = std::fs::read(copy.path().join("db")).expect("read");
        let in_segment = place % super::super::SEGMENT_BYTES;
        let is_in_the_middle = in_segment < super::super::SEGMENT_BYTES - 8192
            && read_whole.contains(&(place / super::super::SEGMENT_BYTES));
        let is_seen = matches!(
            super::super::log::check(copy.path()),
            Err(super::super::log::UnusableLog::Damaged(_))
        );
        assert!(flip == 0 || !is_in_the_middle || is_seen, "byte {place}");
        let engine = match Sled::open_in_time(copy.path(), CACHE, &Clock::System).await {
            Ok(engine) => engine,
            Err(OpenError::Broken { why, .. }) => {
                refused += 1;
                let is_left_alone = before == std::fs::read(copy.path().join("db")).expect("read");
                assert!(is_left_alone || !why.contains("invalid record"), "byte {place}: {why}");
                continue;
            }
            Err(OpenError::Lacks { .. }) => {
                refused += 1;
                continue;
            }
            Err(other) => panic!("byte {place}: {other}"),
        };
        let store = Store::Sled(Arc::new(engine));
        let mut is_hit = false;
        for order in 0..ORDERS {
            let revision = if order % 3 == 0 { 2 } else { 1 };
            match bytes_of(&store, order).await {
                Ok(Some(bytes)) => {
                    assert!(
                        bytes == long_text_of(order, revision),
                        "order {order} after byte {place}"
                    );
                }
                Ok(None) => {
                    panic!("order {order} has vanished without an error: byte {place} was flipped")
                }
                Err(Unavailable::Damaged { .. }) => is_hit = true,
                Err(other) => panic!("byte {place}: {other}"),
            }
        }
        assert!(flip > 0 || !is_hit, "nothing is wrong with it");
        if is_hit {
            named += 1;
        } else {
            whole += 1;
        }
        store.close().await;
    }
    println!(
        "{} flips: {whole} without effect, {refused} refused, {named} with unreadable records",
        flips()
    );
    store.close().await;
}

/// A damaged store whose loss a person has accepted opens with what was shown:
/// one that lacks its end, and one that does not open at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_damaged_store_is_opened_when_a_person_accepts_it() {
    for is_closed in [false, true] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(folder.path());
        for order in 0..KEPT {
            store.commit(put(order, &text_of(order))).await.expect("committed");
        }
        let copy = tempfile::tempdir().expect("a temporary folder");
        if is_closed {
            store.close().await;
        } else {
            noted(folder.path(), KEPT).await;
        }
        self::copy(folder.path(), copy.path());
        let db = copy.path().join("db");
        let mut bytes = std::fs::read(&db).expect("read");
        let written = bytes.iter().rposition(|&byte| byte != 0).expect("something was written");
        bytes[written * 3 / 4] ^= 0x10;
        std::fs::write(&db, bytes).expect("written");
        quiet_elsewhere();
        let refused = Sled::open(copy.path(), CACHE, Clock::System);
        let refused = refused.expect_err("it is damaged").to_string();
        assert!(refused.contains("tillgate store accept-loss"), "{refused}");
        let found = super::super::accept_loss(
            copy.path(),
            CACHE,
            super::super::Kinds { newest: NOTES, named: |kind| kind },
        )
        .expect("something is left");
        let orders = found.documents.get(&NOTES).copied().unwrap_or_default();
        assert!(orders > 0 && orders < KEPT && found.last_group < KEPT, "{found:?}");
        let store = open(copy.path());
        for order in 0..orders {
            assert_eq!(bytes_of(&store, order).await, Ok(Some(text_of(order))));
        }
        assert_eq!(bytes_of(&store, orders).await, Ok(None));
        store.commit(put(KEPT + 1, b"new")).await.expect("it goes on");
        store.close().await;
    }
}
