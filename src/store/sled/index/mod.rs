//! Which partition's page lies where.
//!
//! The numbers of orders are as good as random. An entry for each of them in sled's tree would be put among strangers:
//! with millions stored, every new order would fetch and rewrite a leaf of the tree, and the leaves would take many times
//! their bytes in memory. Pointers are therefore kept as a log-structured merge tree keeps them. What each group of batches
//! moves is one entry, and is remembered in memory; when there are enough of these, they are written as one sorted
//! [`run`]; several runs of one size are merged into one of the next ([`upkeep`]), a little with each group. A look-up
//! asks memory, then the runs from the newest on, and a filter for each says of nearly all of them that they need not be
//! read. (docs/adr/0013-pointers-in-runs.md)
//!
//! ```text
//! d | group 8 | part 2       → the pointers that a group moved
//! x | run 8 | partition 8    → a chunk of a run, by its first partition
//! m runs                     → the last group whose pointers are in runs 8, and the runs: number 8, level 1, pointers 8
//! ```

mod run;
mod upkeep;

use crate::kernel::Partition;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

#[cfg(test)]
pub use self::run::write_pointers;
use self::run::{Cursor, Run, read_pointers};
pub use self::run::{Pointer, Spot};
pub use self::upkeep::Upkeep;
use super::keys;
use crate::store::Unavailable;

/// The index, for all who look something up.
pub struct Index {
    tree: sled::Tree,
    state: RwLock<State>,
    /// Held while a group is written and until what it moved is known here.
    moving: Mutex<()>,
}

struct State {
    /// What the latest groups have moved.
    recent: HashMap<Partition, Option<Spot>>,
    /// From the newest to the oldest.
    runs: Arc<Vec<Arc<Run>>>,
}

impl Index {
    /// Reads the index of a store. Says why it cannot be used.
    pub fn open(tree: &sled::Tree) -> Result<(Arc<Index>, Upkeep), String> {
        let unread = |why: sled::Error| why.to_string();
        let damaged = || "its index is damaged".to_owned();
        let stored = tree.get(keys::RUNS).map_err(unread)?;
        if stored.is_none() && tree.contains_key(keys::LAST_GROUP).map_err(unread)? {
            return Err("it was written by a version before 0.1.0, which nobody has released".into());
        }
        let is_listed = stored.is_some();
        let listing = match stored {
            Some(stored) => Listing::read(&stored).ok_or_else(damaged)?,
            None => Listing::default(),
        };
        let mut runs: Vec<Run> = listing
            .runs
            .iter()
            .map(|&(number, level, pointers)| Run::stored(number, level, pointers))
            .collect();
        let mut orphans = sled::Batch::default();
        let mut last_run = 0;
        for entry in tree.scan_prefix(keys::run_chunks()) {
            let (raw, chunk) = entry.map_err(unread)?;
            let (number, first) = keys::read_run_chunk(&raw).ok_or_else(damaged)?;
            last_run = last_run.max(number);
            match runs.iter_mut().find(|run| run.number == number) {
                Some(run) => run.know(first, &chunk),
                None => orphans.remove(raw), // of a merge that was not finished, or whose inputs were not yet removed
            }
        }
        let mut recent = HashMap::new();
        let mut groups = Vec::new();
        for entry in tree.scan_prefix(keys::moves()) {
            let (raw, moved) = entry.map_err(unread)?;
            if keys::read_moves_group(&raw).ok_or_else(damaged)? <= listing.last_group {
                orphans.remove(raw);
                continue;
            }
            recent.extend(read_pointers(&moved).ok_or_else(damaged)?);
            groups.push(raw.to_vec());
        }
        tree.apply_batch(orphans).map_err(unread)?;
        last_run = listing.runs.iter().map(|(number, ..)| *number).fold(last_run, u64::max);
        let runs = Arc::new(runs.into_iter().map(Arc::new).collect());
        let state = RwLock::new(State { recent, runs });
        let index = Arc::new(Index { tree: tree.clone(), state, moving: Mutex::default() });
        let upkeep = Upkeep::new(Arc::clone(&index), is_listed, listing.last_group, last_run, groups);
        Ok((index, upkeep))
    }

    /// Whether memory alone can tell that a partition has no page.
    pub fn has_surely_not(&self, partition: Partition) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match state.recent.get(&partition) {
            Some(spot) => spot.is_none(),
            None => state.runs.iter().all(|run| run.has_surely_not(partition)),
        }
    }

    /// Where the page of a partition lies.
    pub fn find(&self, partition: Partition) -> Result<Option<Spot>, Unavailable> {
        let runs = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(spot) = state.recent.get(&partition) {
                return Ok(*spot);
            }
            Arc::clone(&state.runs)
        };
        for run in runs.iter() {
            if let Some(spot) = run.find(&self.tree, partition)? {
                return Ok(spot);
            }
        }
        Ok(None)
    }

    /// The partitions that have a page.
    pub fn partitions(&self, after: Option<Partition>, limit: usize) -> Result<Vec<Partition>, Unavailable> {
        let from = after.map_or(Some(Partition::FIRST), Partition::next);
        let Some(from) = from else { return Ok(Vec::new()) };
        let (recent, runs) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let recent = state.recent.iter().map(|(partition, spot)| (*partition, *spot));
            (recent.filter(|(partition, _)| *partition >= from).collect::<Vec<_>>(), Arc::clone(&state.runs))
        };
        let mut cursors = vec![Cursor::over(sorted(recent))];
        for run in runs.iter() {
            cursors.push(Cursor::of(&self.tree, run, from)?);
        }
        let mut found = Vec::new();
        while found.len() < limit
            && let Some((partition, spot)) = Cursor::next(&mut cursors, &self.tree)?
        {
            found.extend(spot.map(|_| partition));
        }
        Ok(found)
    }

    /// Nothing moves while this is held.
    pub fn standing_still(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sorted(mut pointers: Vec<Pointer>) -> Vec<Pointer> {
    pointers.sort_unstable_by_key(|(partition, _)| *partition);
    pointers
}

/// What is noted of the runs.
#[derive(Default)]
struct Listing {
    /// Everything up to this group is in runs.
    last_group: u64,
    /// Number, level, pointers; from the newest to the oldest.
    runs: Vec<(u64, u8, u64)>,
}

impl Listing {
    fn write(&self) -> Vec<u8> {
        let mut raw = vec![0; 4];
        raw.extend_from_slice(&self.last_group.to_be_bytes());
        for (number, level, pointers) in &self.runs {
            raw.extend_from_slice(&number.to_be_bytes());
            raw.push(*level);
            raw.extend_from_slice(&pointers.to_be_bytes());
        }
        let checksum = crc32fast::hash(&raw[4..]).to_be_bytes();
        raw[..4].copy_from_slice(&checksum);
        raw
    }

    fn read(raw: &[u8]) -> Option<Listing> {
        let (checksum, raw) = raw.split_first_chunk()?;
        if crc32fast::hash(raw).to_be_bytes() != *checksum {
            return None;
        }
        let (last_group, raw) = raw.split_first_chunk()?;
        let runs = raw.chunks(17).map(|line| {
            let (number, line) = line.split_first_chunk()?;
            let (level, pointers) = line.split_first()?;
            Some((u64::from_be_bytes(*number), *level, u64::from_be_bytes(pointers.try_into().ok()?)))
        });
        Some(Listing { last_group: u64::from_be_bytes(*last_group), runs: runs.collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests;
