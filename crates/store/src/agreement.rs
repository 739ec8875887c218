//! All engines give the same results for random batches. The engine in memory
//! is the reference, because it is simple enough to be trusted.

use std::sync::Arc;

use proptest::prelude::*;

use super::conformance::{postgres_in_a_new_database, sled_in_a_new_folder};
use super::*;
use crate::conformance::{NOTES, with_word};
use tillgate_kernel::time::from_micros;
use tillgate_kernel::{Clock, DocKey, ListName, Partition};

/// A change of one document in a batch. Expectations are right or wrong at
/// random; `At` means the version that is stored now.
#[derive(Debug, Clone)]
struct Step {
    partition: u64,
    id: u128,
    believes_absent: bool,
    believes_old: bool,
    act: Act,
    /// What is added to the counter of the document.
    amount: i64,
}

/// The steps of a batch, and its floor.
#[derive(Debug, Clone)]
struct Program {
    steps: Vec<Step>,
    floor: Option<RandomFloor>,
}

/// A floor over the counters whose bits are set.
#[derive(Debug, Clone)]
struct RandomFloor {
    plus: u16,
    minus: u16,
    least: i64,
}

fn program() -> impl Strategy<Value = Program> {
    let floor = (0_u16..512, 0_u16..512, -4_i64..4).prop_map(|(plus, minus, least)| RandomFloor {
        plus,
        minus,
        least,
    });
    (prop::collection::vec(step(), 1..4), prop::option::of(floor))
        .prop_map(|(steps, floor)| Program { steps, floor })
}

/// All counters of these tests: one for each key of a document.
fn counters_in(bits: u16) -> Vec<CounterKey> {
    let counter = |(partition, id): (u16, u16)| CounterKey {
        group: (partition + 1).to_string(),
        name: id.to_string(),
    };
    let all = (0..3).flat_map(|partition| (0..3).map(move |id| (partition, id)));
    all.filter(|(partition, id)| bits >> (partition * 3 + id) & 1 == 1).map(counter).collect()
}

#[derive(Debug, Clone)]
enum Act {
    Put { bytes: usize, at: i64, lists: u8 },
    Delete,
    AssertVersion,
}

fn step() -> impl Strategy<Value = Step> {
    // Few keys and times, so that steps collide; sizes on both sides of every
    // limit of a page.
    let bytes = prop_oneof![
        0_usize..200,
        16_380_usize..16_390,
        20_000_usize..30_000,
        90_000_usize..120_000
    ];
    let act = prop_oneof![
        4 => (bytes, 0_i64..6, 0_u8..8)
            .prop_map(|(bytes, at, lists)| Act::Put { bytes, at: at * 70_000, lists }),
        1 => Just(Act::Delete),
        1 => Just(Act::AssertVersion),
    ];
    (1_u64..4, 0_u128..3, any::<bool>(), proptest::bool::weighted(0.1), act, -2_i64..3).prop_map(
        |(partition, id, believes_absent, believes_old, act, amount)| Step {
            partition,
            id,
            believes_absent,
            believes_old,
            act,
            amount,
        },
    )
}

/// One of three lists.
fn list(number: usize) -> ListName {
    with_word(["one", "two", "three"][number])
}

async fn play(store: &Store, program: &Program) -> Result<(), CommitError> {
    let mut batch = Batch::new();
    if let Some(RandomFloor { plus, minus, least }) = &program.floor {
        let (plus, minus) = (counters_in(*plus), counters_in(*minus));
        batch.floor(Floor { plus, minus, least: *least });
    }
    for Step { partition, id, believes_absent, believes_old, act, amount } in &program.steps {
        let key = DocKey { partition: Partition::from_u64(*partition), kind: NOTES, id: *id };
        let there =
            store.load(&[key]).await.expect("read").pop().flatten().map(|stored| stored.version);
        let version = there.unwrap_or(77) + u64::from(*believes_old);
        let expect = if *believes_absent { Expect::Absent } else { Expect::At(version) };
        match act {
            Act::Put { bytes, at, lists } => {
                // Bytes that do not compress to almost nothing.
                let bytes = (0..*bytes).map(|place| ((place * place) >> 3) as u8).collect();
                let listed_at = from_micros(*at);
                let bit = |number: &usize| lists >> number & 1 == 1;
                let mut lists: Vec<ListName> = (0..3).filter(bit).map(list).collect();
                lists.sort_unstable();
                batch.put_body(key, expect, Body { schema: 1, listed_at, lists, bytes });
            }
            Act::Delete => batch.delete(key, version),
            Act::AssertVersion => batch.assert_version(key, expect),
        }
        batch.bump(
            CounterKey { group: partition.to_string(), name: id.to_string() },
            CounterChange::Add(*amount),
        );
    }
    store.commit(batch).await
}

/// Everything that is visible of a store, except for the version numbers.
async fn seen(store: &Store) -> Vec<String> {
    let mut seen = Vec::new();
    let show = |key: DocKey, body: &Body| {
        format!(
            "{}/{}/{} {} {} {:?}",
            key.kind.byte(),
            key.partition,
            key.id,
            body.listed_at,
            body.bytes.len(),
            body.bytes.last()
        )
    };
    for newest_first in [false, true] {
        let mut after = None;
        loop {
            let lists = vec![list(0), list(1)];
            let scan = Scan::Lists { lists, newest_first, after, limit: 3 };
            let page = store.scan(&scan).await.expect("a page");
            seen.extend(page.items.iter().map(|(key, stored)| show(*key, &stored.body)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let scan = Scan::Lists { lists: vec![list(2)], newest_first, after: None, limit: 9 };
        let page = store.scan(&scan).await.expect("a page");
        seen.extend(page.items.iter().map(|(key, stored)| show(*key, &stored.body)));
    }
    for partition in 1..4 {
        let page = store
            .scan(&Scan::Partition { partition: Partition::from_u64(partition), kind: NOTES })
            .await
            .expect("a page");
        seen.extend(page.items.iter().map(|(key, stored)| show(*key, &stored.body)));
        let counters = store.counters(&partition.to_string(), None, 9).await.expect("counters");
        seen.extend(counters.into_iter().map(|(key, value)| format!("{} {value}", key.name)));
    }
    let balances = store.balances(&counters_in(511)).await.expect("balances");
    seen.push(format!("{balances:?}"));
    seen.extend(
        store
            .partitions(Some(Partition::from_u64(0)), 9)
            .await
            .expect("partitions")
            .iter()
            .map(Partition::to_string),
    );
    seen.extend(
        store
            .partitions(Some(Partition::from_u64(1)), 1)
            .await
            .expect("partitions")
            .iter()
            .map(Partition::to_string),
    );
    seen
}

/// The number of random programs; more of them with the environment variable
/// that proptest uses.
fn cases(by_default: u32) -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    wanted.unwrap_or(by_default)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(400),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn on_random_batches(
        programs in prop::collection::vec(program(), 1..25)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (sled, _folder) = sled_in_a_new_folder(&Clock::System).await;
            let agreed = agree(&sled, &programs).await;
            sled.close().await;
            agreed
        })?;
    }
}

async fn agree(engine: &Store, programs: &[Program]) -> Result<(), TestCaseError> {
    let memory = Store::Memory(Arc::new(memory::Memory::new(Clock::System)));
    for program in programs {
        let (one, other) = (play(&memory, program).await, play(engine, program).await);
        prop_assert_eq!(one, other, "{:?}", program);
        prop_assert_eq!(seen(&memory).await, seen(engine).await, "{:?}", program);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(40),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn on_random_batches_in_postgres(
        programs in prop::collection::vec(program(), 1..15)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (postgres, ()) = postgres_in_a_new_database(&Clock::System).await;
            agree(&postgres, &programs).await
        })?;
    }
}
