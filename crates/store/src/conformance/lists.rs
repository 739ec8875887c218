//! The promises about lists: in order of time, without gap or repeat, and equal
//! to what the documents name.

use super::*;

/// All that a list has, page by page.
pub(super) async fn walked(
    store: &Store,
    lists: &[ListName],
    newest_first: bool,
    limit: usize,
) -> Vec<(Timestamp, DocKey)> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let scan = Scan::Lists { lists: lists.to_vec(), newest_first, after, limit };
        let page = store.scan(&scan).await.expect("a store that answers");
        assert!(page.items.len() <= limit);
        seen.extend(page.items.iter().map(|(key, stored)| (stored.body.listed_at, *key)));
        after = page.next.map(|next| next.to_string().parse().expect("a cursor survives as text"));
        if after.is_none() {
            return seen;
        }
    }
}

pub(super) async fn lists_are_walked_by_time_without_gap_or_repeat(store: Stage) {
    for order in 0..25_u64 {
        let mut batch = Batch::new();
        // Several share a time, and some are before 1970.
        let listed_at = at(i64::try_from(order / 3).expect("small") - 4);
        let text = if order % 2 == 0 { "even" } else { "odd" };
        batch.put(key(order), Expect::Absent, &note(text), listed_at);
        store.commit(batch).await.expect("committed");
    }
    let both = [with_word("even"), with_word("odd"), with_word("nothing")];
    for newest_first in [false, true] {
        for (lists, expected) in [
            (&both[..], (0..25).collect::<Vec<_>>()),
            (&both[..1], (0..25).step_by(2).collect()),
            (&both[1..2], (1..25).step_by(2).collect()),
            (&both[2..], Vec::new()),
        ] {
            let seen = walked(&store, lists, newest_first, 4).await;
            assert!(if newest_first { seen.is_sorted_by(|a, b| a > b) } else { seen.is_sorted() });
            let mut orders: Vec<u64> = seen.iter().map(|(_, key)| key.partition.get()).collect();
            orders.sort_unstable();
            assert_eq!(orders, expected);
        }
    }
}

pub(super) async fn a_document_is_in_the_lists_that_it_names(store: Stage) {
    let words = ["one", "two", "three"];
    let in_lists = async |expected: [usize; 3]| {
        for (word, expected) in words.iter().zip(expected) {
            let seen = walked(&store, &[with_word(word)], true, 9).await;
            assert_eq!(seen.len(), expected, "{word}");
        }
    };
    store.commit(put(key(1), Expect::Absent, "one two")).await.expect("committed");
    in_lists([1, 1, 0]).await;
    let (_, version) = read(&store, key(1)).await.expect("a document");
    store.commit(put(key(1), Expect::At(version), "two three")).await.expect("committed");
    in_lists([0, 1, 1]).await;
    // A refused batch leaves the lists as they are.
    let refused = store.commit(put(key(1), Expect::At(version), "one")).await;
    assert_eq!(refused, Err(CommitError::Conflict));
    in_lists([0, 1, 1]).await;
    // Back in a list that it has left.
    let (_, version) = read(&store, key(1)).await.expect("a document");
    store.commit(put(key(1), Expect::At(version), "one")).await.expect("committed");
    in_lists([1, 0, 0]).await;
    let (_, version) = read(&store, key(1)).await.expect("a document");
    let mut batch = Batch::new();
    batch.delete(key(1), version);
    store.commit(batch).await.expect("committed");
    in_lists([0, 0, 0]).await;
}

/// A reader who does not find a document in a list reads what took it from the
/// list, at whatever moment of the commit it looks.
pub(super) async fn who_misses_a_document_in_a_list_reads_its_successor(store: Stage) {
    for round in 0..50 {
        let key = key(round);
        store.commit(put(key, Expect::Absent, "waits")).await.expect("committed");
        let (_, version) = read(&store, key).await.expect("a document");
        let looking = async {
            while !walked(&store, &[with_word("waits")], true, 9).await.is_empty() {
                // A loop without a pause keeps all cores busy, and threads of
                // the kernel that finish writes then wait for seconds.
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
            read(&store, key).await.expect("a document").0
        };
        let done = put(key, Expect::At(version), "done");
        let (written, found) =
            tokio::join!(store.commit(done), tokio::time::timeout(seconds(20), looking));
        assert!(written.is_ok(), "round {round}: {written:?}");
        assert_eq!(found, Ok(note("done")), "round {round}");
    }
}

pub(super) async fn documents_of_several_kinds_share_a_list(store: Stage) {
    let body = |listed_at| Body {
        schema: 1,
        listed_at: at(listed_at),
        lists: vec![with_word("shared")],
        bytes: b"body".to_vec(),
    };
    let of_kind = |kind, partition| DocKey { kind: Kind::from_byte(kind), ..key(partition) };
    let placed = [(of_kind(7, 1), 1), (of_kind(8, 1), 1), (of_kind(7, 2), 1), (of_kind(9, 1), 3)];
    for (key, listed_at) in placed {
        let mut batch = Batch::new();
        batch.put_body(key, Expect::Absent, body(listed_at));
        store.commit(batch).await.expect("committed");
    }
    for limit in 1..5 {
        let mut seen = walked(&store, &[with_word("shared")], false, limit).await;
        assert_eq!(seen, placed.map(|(key, listed_at)| (at(listed_at), key)));
        seen.reverse();
        assert_eq!(walked(&store, &[with_word("shared")], true, limit).await, seen);
    }
}

pub(super) async fn a_moved_or_removed_document_leaves_the_list(store: Stage) {
    store.commit(put(key(1), Expect::Absent, "here")).await.expect("committed");
    let (_, version) = read(&store, key(1)).await.expect("a document");
    let mut batch = Batch::new();
    batch.put(key(1), Expect::At(version), &note("here"), later(at(1), Duration::from_secs(5)));
    store.commit(batch).await.expect("committed");
    assert_eq!(walked(&store, &[with_word("here")], true, 9).await, [(at(6), key(1))]);
    let (_, version) = read(&store, key(1)).await.expect("a document");
    let mut batch = Batch::new();
    batch.delete(key(1), version);
    store.commit(batch).await.expect("committed");
    assert!(walked(&store, &[with_word("here")], true, 9).await.is_empty());
}
