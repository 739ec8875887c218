//! The index: where the page of each partition is.
//!
//! Order numbers are practically random. With an entry for each of them in
//! sled's tree, neighbours in a leaf would be unrelated: with millions of
//! orders stored, every new order would fetch and rewrite a leaf of the tree,
//! and the leaves would take many times their bytes in memory. Pointers are
//! therefore kept as in a log-structured merge tree. The pointers that a group
//! of batches moves are one entry, and are kept in memory. When there are
//! enough of them, they are written as one sorted [`run`]; several runs of one
//! level are merged into one of the next ([`upkeep`]), a little with each
//! group. A look-up reads memory, then the runs from the newest on; a filter
//! for each run rules out nearly all runs without reading them. A thread builds
//! the filters after opening.
//! (docs/adr/0013-pointers-in-runs.md)
//!
//! ```text
//! d | group 8 | part 2     → the pointers that a group moved
//! x | run 8 | partition 8  → a chunk of a run, by its first partition
//! m runs                   → the last group whose pointers are in runs 8,
//!                            and the runs: number 8, level 1, pointers 8
//! ```

mod filters;
mod listing;
mod lookup;
mod run;
mod upkeep;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tillgate_kernel::Partition;

use self::listing::Listing;
#[cfg(test)]
pub use self::run::write_pointers;
pub use self::run::{Location, Pointer};
use self::run::{Run, read_pointers};
pub use self::upkeep::Upkeep;
use super::keys;

/// The index, shared by all readers.
pub struct Index {
    tree: sled::Tree,
    state: RwLock<State>,
    /// Held from the start of a group's write until its moved pointers are
    /// published here.
    moving: Mutex<()>,
}

struct State {
    /// The pointers that the latest groups have moved.
    recent: HashMap<Partition, Option<Location>>,
    /// From the newest to the oldest.
    runs: Arc<Vec<Arc<Run>>>,
}

impl Index {
    /// Reads the index of a store. The error says why it cannot be used.
    pub fn open(tree: &sled::Tree) -> Result<(Arc<Index>, Upkeep), String> {
        let unread = |why: sled::Error| why.to_string();
        let damaged = || "its index is damaged".to_owned();
        let stored = tree.get(keys::RUNS).map_err(unread)?;
        if stored.is_none() && tree.contains_key(keys::LAST_GROUP).map_err(unread)? {
            return Err("an unreleased version before 0.1.0 wrote it, and its format is not \
                        supported"
                .into());
        }
        let is_listed = stored.is_some();
        let listing = match stored {
            Some(stored) => Listing::read(&stored).ok_or_else(damaged)?,
            None => Listing::default(),
        };
        let mut orphans = sled::Batch::default();
        let mut last_run = 0;
        // From run to run, without reading what is in them.
        let mut after = keys::run_chunks().to_vec();
        while let Some((raw, _)) = tree.get_gt(&after).map_err(unread)?
            && raw.starts_with(&keys::run_chunks())
        {
            let (number, _) = keys::read_run_chunk(&raw).ok_or_else(damaged)?;
            if listing.runs.iter().all(|(listed, ..)| *listed != number) {
                // Part of an unfinished merge, or an input not yet removed.
                for raw in tree.scan_prefix(keys::run(number)).keys() {
                    orphans.remove(raw.map_err(unread)?);
                }
            }
            last_run = number;
            after = [&keys::run(number)[..], &[0xff; 9]].concat();
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
        let stored = |(number, level, pointers)| Arc::new(Run::stored(number, level, pointers));
        let runs = Arc::new(listing.runs.iter().copied().map(stored).collect());
        let state = RwLock::new(State { recent, runs });
        let index = Arc::new(Index { tree: tree.clone(), state, moving: Mutex::default() });
        let upkeep =
            Upkeep::new(Arc::clone(&index), is_listed, listing.last_group, last_run, groups);
        Ok((index, upkeep))
    }

    fn runs(&self) -> Arc<Vec<Arc<Run>>> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).runs)
    }
}

#[cfg(test)]
mod tests;
