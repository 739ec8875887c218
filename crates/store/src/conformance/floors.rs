//! The promises about floors: no batch pushes a sum of counters below its
//! bound.

use super::lists::walked;
use super::*;

fn counter(name: &str) -> CounterKey {
    CounterKey { group: "books".into(), name: name.into() }
}

fn add(counters: &[(&str, i64)]) -> Batch {
    let mut batch = Batch::new();
    for (name, amount) in counters {
        batch.bump(counter(name), CounterChange::Add(*amount));
    }
    batch
}

/// A floor of one counter at zero.
fn not_below_zero(name: &str) -> Floor {
    Floor { plus: vec![counter(name)], minus: Vec::new(), least: 0 }
}

/// Commits a batch of each number below `count` at once, in all processes.
/// Returns how many succeed; the others are refused by a floor.
pub(super) async fn succeed_at_once(
    stage: &Stage,
    count: usize,
    batch: impl Fn(usize) -> Batch,
) -> usize {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..count {
        let (store, batch) = (stage.process(number), batch(number));
        tasks.spawn(async move { store.commit(batch).await });
    }
    let outcomes = tasks.join_all().await;
    let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = |outcome: &&Result<(), CommitError>| {
        matches!(outcome, Err(CommitError::Short { floor: 0 }))
    };
    assert_eq!(succeeded + outcomes.iter().filter(refused).count(), count, "{outcomes:?}");
    succeeded
}

pub(super) async fn there_is_no_oversell(store: Stage) {
    store.commit(add(&[("milk", 100)])).await.expect("committed");
    let take = |number: usize| {
        let mut batch = add(&[("milk", -1)]);
        batch.put(key(number as u64), Expect::Absent, &note("hold"), at(1));
        batch.floor(not_below_zero("milk"));
        batch
    };
    assert_eq!(succeed_at_once(&store, 300, take).await, 100);
    assert_eq!(store.balances(&[counter("milk")]).await, Ok(vec![0]));
    assert_eq!(walked(&store, &[with_word("hold")], true, 500).await.len(), 100);
}

pub(super) async fn an_account_is_not_overdrawn(store: Stage) {
    store.commit(add(&[("account", 50_500)])).await.expect("committed");
    let spend = |_| {
        let mut batch = add(&[("account", -1_000)]);
        batch.floor(not_below_zero("account"));
        batch
    };
    assert_eq!(succeed_at_once(&store, 100, spend).await, 50);
    assert_eq!(store.balances(&[counter("account")]).await, Ok(vec![500]));
}

pub(super) async fn a_refused_floor_writes_nothing_and_says_which(store: Stage) {
    let mut batch = add(&[("milk", -1), ("bread", 7)]);
    batch.put(key(1), Expect::Absent, &note("held"), at(1));
    batch.send(message(1, 1, "chat", 1));
    batch.floor(not_below_zero("bread"));
    batch.floor(not_below_zero("milk"));
    assert_eq!(store.commit(batch).await, Err(CommitError::Short { floor: 1 }));
    assert_eq!(read(&store, key(1)).await, None);
    assert_eq!(store.balances(&[counter("milk"), counter("bread")]).await, Ok(vec![0, 0]));
    assert!(walked(&store, &[with_word("held")], true, 9).await.is_empty());
    assert!(claimed(&store, &store.claim_at(2)).await.is_empty());
}

/// A duplicate is recognised as one, even if the first has used up the
/// sum.
pub(super) async fn a_duplicate_of_a_batch_with_a_floor_conflicts_with_it(store: Stage) {
    store.commit(add(&[("milk", 1)])).await.expect("committed");
    let take = || {
        let mut batch = add(&[("milk", -1)]);
        batch.put(key(1), Expect::Absent, &note("hold"), at(1));
        batch.floor(not_below_zero("milk"));
        batch
    };
    store.commit(take()).await.expect("committed");
    assert_eq!(store.commit(take()).await, Err(CommitError::Conflict));
    assert_eq!(store.balances(&[counter("milk")]).await, Ok(vec![0]));
    // Another document beside the first is no copy of it.
    let mut beside = add(&[("milk", -1)]);
    beside.put(DocKey { id: 2, ..key(1) }, Expect::Absent, &note("hold"), at(1));
    beside.floor(not_below_zero("milk"));
    assert_eq!(store.commit(beside).await, Err(CommitError::Short { floor: 0 }));
}

pub(super) async fn a_commit_returns_the_sums_of_its_floors(store: Stage) {
    let floored = |amount| {
        let mut batch = add(&[("milk", amount), ("bread", -amount)]);
        batch.floor(not_below_zero("milk"));
        batch.floor(Floor {
            plus: vec![counter("milk"), counter("bread")],
            minus: vec![counter("milk")],
            least: -1_000,
        });
        batch
    };
    assert_eq!(store.commit_with_sums(floored(50)).await, Ok(vec![50, -50]));
    assert_eq!(store.commit_with_sums(floored(-20)).await, Ok(vec![30, -30]));
    assert_eq!(store.commit_with_sums(add(&[("milk", 7)])).await, Ok(vec![]));
    assert_eq!(store.commit_with_sums(floored(1)).await, Ok(vec![38, -31]));
    // Each has its own sum, however many are committed together.
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (store, batch) = (store.process(number), floored(1));
        tasks.spawn(async move { store.commit_with_sums(batch).await });
    }
    let mut sums: Vec<i64> =
        tasks.join_all().await.into_iter().map(|sums| sums.expect("committed")[0]).collect();
    sums.sort_unstable();
    assert_eq!(sums, (39..=78).collect::<Vec<_>>());
}

/// The same at the same moment, in all processes.
pub(super) async fn copies_at_once_conflict_and_are_not_short(store: Stage) {
    for round in 0..10 {
        store.commit(add(&[("milk", 1)])).await.expect("committed");
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..12 {
            let mut batch = add(&[("milk", -1)]);
            batch.put(key(round), Expect::Absent, &note("hold"), at(1));
            batch.floor(not_below_zero("milk"));
            let store = store.process(number);
            tasks.spawn(async move { store.commit(batch).await });
        }
        let outcomes = tasks.join_all().await;
        let is_conflict =
            |outcome: &&Result<(), CommitError>| **outcome == Err(CommitError::Conflict);
        let conflicts = outcomes.iter().filter(is_conflict).count();
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!((done, conflicts), (1, 11), "{outcomes:?}");
    }
}

pub(super) async fn a_batch_that_does_not_lower_a_sum_is_never_refused(store: Stage) {
    store.commit(add(&[("milk", -50)])).await.expect("facts have no floor");
    let floored = |amount| {
        let mut batch = add(&[("milk", amount)]);
        batch.floor(not_below_zero("milk"));
        batch
    };
    assert_eq!(store.commit(floored(-1)).await, Err(CommitError::Short { floor: 0 }));
    store.commit(floored(20)).await.expect("it raises the sum");
    store.commit(floored(0)).await.expect("it leaves the sum");
    assert_eq!(store.balances(&[counter("milk")]).await, Ok(vec![-30]));
    assert_eq!(store.commit(floored(-1)).await, Err(CommitError::Short { floor: 0 }));
}

pub(super) async fn floors_of_several_counters_hold_together(store: Stage) {
    // What is free is what is there, without what is held.
    let free = || Floor { plus: vec![counter("there")], minus: vec![counter("held")], least: 2 };
    store.commit(add(&[("there", 60)])).await.expect("committed");
    // Some hold, some take away; each lowers what is free by one. If there are
    // several processes, each does only one of the two.
    let processes = store.processes.len();
    let lower = |number: usize| {
        let number = if processes > 1 { number % processes } else { number };
        let changed = if number.is_multiple_of(2) { ("held", 1) } else { ("there", -1) };
        let mut batch = add(&[changed]);
        batch.floor(free());
        batch
    };
    assert_eq!(succeed_at_once(&store, 100, lower).await, 58);
    // To move between the two lowers nothing.
    let mut batch = add(&[("there", -1), ("held", -1)]);
    batch.floor(free());
    store.commit(batch).await.expect("the sum stays");
    let balances = store.balances(&[counter("there"), counter("held"), counter("none")]).await;
    let balances = balances.expect("a store that answers");
    assert_eq!((balances[0] - balances[1], balances[2]), (2, 0));
}

pub(super) async fn a_counter_with_a_floor_is_the_sum_of_its_changes(store: Stage) {
    // With floors and without, in all processes, some of them refused.
    let change = |number: usize| {
        let mut batch = add(&[("milk", if number.is_multiple_of(3) { 2 } else { -1 })]);
        if number.is_multiple_of(2) {
            batch.put(key(number as u64), Expect::Absent, &note("counted"), at(1));
        }
        if number % 3 == 1 {
            batch.floor(not_below_zero("milk"));
        }
        batch
    };
    let (outcomes, expected) = {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..150 {
            let (store, batch) = (store.process(number), change(number));
            tasks.spawn(async move { (number, store.commit(batch).await) });
        }
        let outcomes = tasks.join_all().await;
        let sum = |(number, outcome): &(usize, Result<(), CommitError>)| match outcome {
            Ok(()) if number.is_multiple_of(3) => 2,
            Ok(()) => -1,
            Err(CommitError::Short { .. }) if number % 3 == 1 => 0,
            Err(why) => panic!("{number}: {why}"),
        };
        let expected: i64 = outcomes.iter().map(sum).sum();
        (outcomes, expected)
    };
    assert_eq!(store.balances(&[counter("milk")]).await, Ok(vec![expected]), "{outcomes:?}");
    assert_eq!(store.counters("books", None, 9).await, Ok(vec![(counter("milk"), expected)]));
    // A count replaces what was there, and floors go on from it.
    let mut batch = Batch::new();
    batch.bump(counter("milk"), CounterChange::Set(1));
    store.commit(batch).await.expect("committed");
    let take = |_| {
        let mut batch = add(&[("milk", -1)]);
        batch.floor(not_below_zero("milk"));
        batch
    };
    assert_eq!(succeed_at_once(&store, 5, take).await, 1);
    assert_eq!(store.balances(&[counter("milk")]).await, Ok(vec![0]));
}
