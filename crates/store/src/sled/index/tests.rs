//! Compares the index with a map, over many groups, merges and reopenings.

use crate::Unavailable;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tillgate_kernel::Partition;

use proptest::prelude::*;

use super::super::opening::open_guarded;
use super::*;

/// A store that has only an index.
struct TestStore {
    tree: sled::Db,
    index: Arc<Index>,
    upkeep: Upkeep,
    group: u64,
    _folder: Option<tempfile::TempDir>,
}

impl TestStore {
    fn new() -> TestStore {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tree = open_guarded(&folder.path().join("data"), 16 << 20).expect("sled opens");
        TestStore::of(tree, 0, Some(folder))
    }

    fn of(tree: sled::Db, group: u64, folder: Option<tempfile::TempDir>) -> TestStore {
        let (index, mut upkeep) = Index::open(&tree).expect("the index opens");
        upkeep.recent_pointers_max = 40;
        // Half of the stores have filters, as if they had run for a while.
        if group.is_multiple_of(2) {
            Index::build_filters(&Arc::downgrade(&index));
        }
        TestStore { tree, index, upkeep, group, _folder: folder }
    }

    /// The same store, as the next process finds it.
    fn opened_anew(self) -> TestStore {
        TestStore::of(self.tree, self.group, self._folder)
    }

    fn write(&mut self, moved: Vec<Pointer>) {
        self.group += 1;
        let mut batch = sled::Batch::default();
        for (raw, value) in self.upkeep.note(self.group, moved) {
            match value {
                Some(value) => batch.insert(raw, value),
                None => batch.remove(raw),
            }
        }
        batch.insert(keys::LAST_GROUP, &self.group.to_be_bytes());
        self.tree.apply_batch(batch).expect("written");
        self.upkeep.publish();
        // sled 0.34 can deadlock when very much is written without a flush. The
        // committer flushes after each group.
        if self.group.is_multiple_of(16) {
            self.tree.flush().expect("flushed");
        }
    }

    fn entries(&self, prefix: [u8; 1]) -> usize {
        self.tree.scan_prefix(prefix).count()
    }
}

/// An operation on the index.
#[derive(Debug, Clone)]
enum Step {
    Write(Vec<Pointer>),
    Open,
}

fn step() -> impl Strategy<Value = Step> {
    // Few partitions, so that they move again; with large gaps, so that some
    // are between two chunks.
    let spot = prop_oneof![
        3 => (1_u64..1000).prop_map(|seat| Some(Location::PageSlot(seat))),
        2 => (1_u64..1000, 0_u16..90)
            .prop_map(|(block, index)| Some(Location::Block { block, index })),
        1 => Just(None),
    ];
    let moved = prop::collection::btree_map(
        (0_u64..700).prop_map(|place| Partition::from_u64(place << 40)),
        spot,
        0..30,
    );
    prop_oneof![
        50 => moved.prop_map(|moved| Step::Write(moved.into_iter().collect())),
        1 => Just(Step::Open),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn it_agrees_with_a_map(steps in prop::collection::vec(step(), 200..500)) {
        let (mut store, mut model) = (TestStore::new(), BTreeMap::new());
        for (count, step) in steps.into_iter().enumerate() {
            match step {
                Step::Open => store = store.opened_anew(),
                Step::Write(moved) => {
                    for (partition, spot) in &moved {
                        match spot {
                            Some(spot) => model.insert(*partition, *spot),
                            None => model.remove(partition),
                        };
                    }
                    store.write(moved);
                }
            }
            if count % 20 == 0 {
                for partition in (0..700).map(|place| Partition::from_u64(place << 40)) {
                    prop_assert_eq!(
                        store.index.find(partition),
                        Ok(model.get(&partition).copied()),
                        "{}",
                        partition
                    );
                    prop_assert_eq!(store.index.find(partition.next().expect("another")), Ok(None));
                }
                let all: Vec<Partition> = model.keys().copied().collect();
                prop_assert_eq!(store.index.partitions(None, usize::MAX), Ok(all.clone()));
                let after = all.get(all.len() / 2).copied();
                let following =
                    all.iter().copied().filter(|partition| Some(*partition) > after).take(7);
                prop_assert_eq!(store.index.partitions(after, 7), Ok(following.collect()));
            }
        }
    }
}

/// However much is stored, there are few runs, and merged runs leave no
/// entries.
#[test]
fn runs_stay_few_and_leave_nothing_behind() {
    let mut store = TestStore::new();
    for group in 0..2_000_u64 {
        store.write(
            (0..20)
                .map(|place| {
                    (Partition::from_u64(group * 20 + place), Some(Location::PageSlot(group)))
                })
                .collect(),
        );
        // At most two levels are full and one is being merged.
        let runs = store.index.state.read().expect("the state").runs.len();
        assert!(runs <= 36, "{runs} runs after {group} groups");
    }
    for _ in 0..2_000 {
        store.write(Vec::new());
    }
    let runs = Arc::clone(&store.index.state.read().expect("the state").runs);
    assert!(runs.iter().any(|run| run.level >= 2), "they are merged again");
    let chunks: usize = {
        let chunks = |run: &Arc<Run>| run.pointers.div_ceil(run::CHUNK_POINTERS as u64);
        usize::try_from(runs.iter().map(chunks).sum::<u64>()).expect("few chunks")
    };
    assert_eq!(store.entries(keys::run_chunks()), chunks);
    assert!(store.entries(keys::moves()) <= 2);
    let gone = (0..40_000).map(|partition| (Partition::from_u64(partition), None)).collect();
    store.write(gone);
    for _ in 0..2_000 {
        store.write(Vec::new());
    }
    assert_eq!(store.index.partitions(None, 9), Ok(Vec::new()));
}

/// Runs of an earlier process get their filters later; one with a missing chunk
/// gets none.
#[test]
fn filters_are_built_after_opening() {
    let mut store = TestStore::new();
    for group in 0..400_u64 {
        let seat = Some(Location::PageSlot(group));
        store.write((0..7).map(|n| (Partition::from_u64(group * 14 + n * 2), seat)).collect());
    }
    let absent = |index: &Index| {
        (0..2_800).filter(|n| index.has_surely_not(Partition::from_u64(n * 2 + 1))).count()
    };
    let (index, _) = Index::open(&store.tree).expect("the index opens");
    assert!(index.runs().len() > 1 && absent(&index) == 0);
    assert_eq!(Index::build_filters(&Arc::downgrade(&index)), Vec::<String>::new());
    assert!(absent(&index) > 2_600);
    let raw = store.tree.scan_prefix(keys::run_chunks()).keys().next().expect("a chunk");
    store.tree.remove(raw.expect("a key")).expect("removed");
    let (index, _) = Index::open(&store.tree).expect("the index opens");
    let damaged = Index::build_filters(&Arc::downgrade(&index));
    assert!(matches!(&*damaged, [why] if why.contains("pointers")), "{damaged:?}");
    assert_eq!(index.runs().iter().filter(|run| !run.has_filter()).count(), 1);
}

/// Look-ups succeed while runs are merged and removed.
#[test]
fn what_is_there_is_found_while_runs_come_and_go() {
    let mut store = TestStore::new();
    for partition in 0..500 {
        store.write(vec![(Partition::from_u64(partition), Some(Location::PageSlot(7)))]);
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (index, is_over) = (Arc::clone(&store.index), &is_over);
        let reader = scope.spawn(move || {
            let mut found = 0_u64;
            while !is_over.load(Ordering::SeqCst) {
                for partition in 0..500 {
                    assert_eq!(
                        index.find(Partition::from_u64(partition)),
                        Ok(Some(Location::PageSlot(7))),
                        "{partition}"
                    );
                    found += 1;
                }
            }
            found
        });
        for group in 0..3_000_u64 {
            store.write(
                (0..20)
                    .map(|place| {
                        (
                            Partition::from_u64(1_000 + group * 20 + place),
                            Some(Location::PageSlot(group)),
                        )
                    })
                    .collect(),
            );
        }
        is_over.store(true, Ordering::SeqCst);
        assert!(reader.join().expect("the reader") > 0);
    });
}

/// Only look-ups in a damaged chunk fail. All others succeed, and new pointers
/// are accepted.
#[test]
fn a_damaged_chunk_affects_only_lookups_in_it() {
    let mut store = TestStore::new();
    let write = |store: &mut TestStore, groups: std::ops::Range<u64>| {
        for group in groups {
            store.write(
                (0..20)
                    .map(|place| {
                        (Partition::from_u64(group * 20 + place), Some(Location::PageSlot(group)))
                    })
                    .collect(),
            );
        }
    };
    write(&mut store, 0..300);
    let (raw, value) =
        store.tree.scan_prefix(keys::run_chunks()).next().expect("a chunk").expect("read");
    let (_, first) = keys::read_run_chunk(&raw).expect("its key");
    let mut value = value.to_vec();
    value[9] ^= 0x10;
    store.tree.insert(raw, value).expect("written");
    let mut store = store.opened_anew();
    assert!(matches!(store.index.find(first), Err(Unavailable::Damaged { .. })));
    write(&mut store, 300..900);
    assert!(matches!(store.index.find(first), Err(Unavailable::Damaged { .. })));
    let lost = (0..18_000)
        .filter(|partition| store.index.find(Partition::from_u64(*partition)).is_err())
        .count();
    assert!(lost <= run::CHUNK_POINTERS, "{lost} cannot be looked up");
    assert_eq!(store.index.find(Partition::from_u64(17_999)), Ok(Some(Location::PageSlot(899))));
}
