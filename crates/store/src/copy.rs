//! Copies one store into another: every document unchanged, every counter, with
//! a digest that proves that both hold the same.
//!
//! What already exists in the target and is the same is skipped, so a copy that
//! was interrupted can just be started again. What exists and differs stops the
//! copy: the target has been used, and copying over it would undo that.

use std::collections::BTreeMap;

use super::{
    Batch, CommitError, CounterChange, CounterKey, Expect, Scan, Store, Stored, Unavailable,
};
use tillgate_kernel::DocKey;
use tillgate_kernel::{Fingerprint, Kind, Partition};

/// The number of partitions that are listed at once.
pub const PARTITIONS_STEP: usize = 512;

/// The number of counters that are copied at once.
const COUNTERS_STEP: usize = 500;

/// Why copying stopped.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A store is unavailable.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    /// The target has different data under a key.
    #[error(
        "{key} already exists in the target and differs: the target has been \
         used. Copy into an empty store"
    )]
    Different {
        /// The document or counter.
        key: String,
    },
}

/// Totals over the contents of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// The number of documents of each kind.
    pub documents: BTreeMap<Kind, u64>,
    /// The number of counters that are not zero.
    pub counters: u64,
    /// A digest of everything: two stores with the same digest hold the same
    /// data.
    pub digest: u128,
}

impl Totals {
    /// The number of documents of all kinds.
    #[must_use]
    pub fn of_all_kinds(&self) -> u64 {
        self.documents.values().sum()
    }
}

async fn documents(
    store: &Store,
    partition: Partition,
) -> Result<Vec<(DocKey, Stored)>, Unavailable> {
    Ok(store.scan(&Scan::Whole { partition }).await?.items)
}

/// Copies all documents of a partition.
pub async fn copy_partition(
    from: &Store,
    to: &Store,
    partition: Partition,
) -> Result<(), CopyError> {
    let wanted = documents(from, partition).await?;
    let keys: Vec<DocKey> = wanted.iter().map(|(key, _)| *key).collect();
    let mut batch = Batch::new();
    for ((key, stored), there) in wanted.into_iter().zip(to.load(&keys).await?) {
        match there {
            None => batch.put_body(key, Expect::Absent, stored.body),
            Some(there) if there.body == stored.body => {}
            Some(_) => {
                return Err(CopyError::Different { key: format!("a document of {partition}") });
            }
        }
    }
    match to.commit(batch).await {
        Ok(()) => Ok(()),
        Err(CommitError::Unavailable(why)) => Err(why.into()),
        // Another process writes to the target.
        Err(CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. }) => {
            Err(CopyError::Different { key: format!("a document of {partition}") })
        }
    }
}

pub async fn copy_counters(from: &Store, to: &Store) -> Result<(), CopyError> {
    let there = all_counters(to).await?;
    let mut after = None;
    loop {
        let some = counters_after(from, after.as_ref()).await?;
        let Some((last, _)) = some.last() else { return Ok(()) };
        after = Some(last.clone());
        let mut batch = Batch::new();
        for (key, value) in some {
            match there.get(&key) {
                None => batch.bump(key, CounterChange::Set(value)),
                Some(there) if *there == value => {}
                // Do not undo what was sold or counted in the target meanwhile.
                Some(_) => {
                    return Err(CopyError::Different {
                        key: format!("the balance of {} in {}", key.name, key.group),
                    });
                }
            }
        }
        match to.commit(batch).await {
            Ok(()) => {}
            Err(CommitError::Unavailable(why)) => return Err(why.into()),
            Err(CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. }) => {
                return Err(CopyError::Different { key: "a counter".into() });
            }
        }
    }
}

async fn all_counters(store: &Store) -> Result<BTreeMap<CounterKey, i64>, Unavailable> {
    let mut all: BTreeMap<CounterKey, i64> = BTreeMap::new();
    loop {
        let some = counters_after(store, all.last_key_value().map(|(key, _)| key)).await?;
        if some.is_empty() {
            return Ok(all);
        }
        all.extend(some);
    }
}

/// Refuses a target that contains partitions which the source does not have.
pub async fn nothing_else_is_there(partitions: &[Partition], to: &Store) -> Result<(), CopyError> {
    let mut after = None;
    loop {
        let some = to.partitions(after, PARTITIONS_STEP).await?;
        let Some(last) = some.last() else { return Ok(()) };
        after = Some(*last);
        if let Some(other) = some.iter().find(|there| partitions.binary_search(there).is_err()) {
            return Err(CopyError::Different { key: format!("order or hook {other}") });
        }
    }
}

/// The next counters after `after`: first those of its group, then those of the
/// following groups.
async fn counters_after(
    store: &Store,
    after: Option<&CounterKey>,
) -> Result<Vec<(CounterKey, i64)>, Unavailable> {
    for group in store.counter_groups().await? {
        let name = match after {
            Some(after) if group < after.group => continue,
            Some(after) if group == after.group => Some(after.name.as_str()),
            _ => None,
        };
        let found = store.counters(&group, name, COUNTERS_STEP).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// Adds a partition to the totals.
pub async fn count_partition(
    store: &Store,
    partition: Partition,
    totals: &mut Totals,
) -> Result<(), Unavailable> {
    for (key, Stored { body, .. }) in documents(store, partition).await? {
        *totals.documents.entry(key.kind).or_insert(0) += 1;
        let lists: Vec<u8> = body.lists.iter().flat_map(|list| list.to_bytes()).collect();
        let print = Fingerprint::of(&[
            &key.partition.to_bytes(),
            &[key.kind.byte()],
            &key.id.to_be_bytes(),
            &body.schema.to_be_bytes(),
            &body.listed_at.as_microsecond().to_be_bytes(),
            &lists,
            &body.bytes,
        ]);
        totals.digest = totals.digest.wrapping_add(print.get());
    }
    Ok(())
}

/// Adds all counters to the totals.
pub async fn count_counters(store: &Store, totals: &mut Totals) -> Result<(), Unavailable> {
    let mut after = None;
    loop {
        let some = counters_after(store, after.as_ref()).await?;
        let Some((last, _)) = some.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, value) in some.iter().filter(|(_, value)| *value != 0) {
            totals.counters += 1;
            let name = format!("{}\0{}\0{value}", key.group, key.name);
            totals.digest = totals.digest.wrapping_add(Fingerprint::of(&[name.as_bytes()]).get());
        }
    }
}
