//! The committer's side of the index: records what each group moves, and merges
//! runs so that they stay few.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use tillgate_kernel::Partition;

use super::Index;
use super::listing::Listing;
use super::lookup::sorted;
use super::run::{Cursor, Pointer, Run, Writer, write_pointers};
use crate::Unavailable;
use crate::sled::keys;

/// How many pointers are kept in memory, and in one entry for each group,
/// before they become a run.
const RECENT_POINTERS_MAX: usize = 4096;

/// How many runs of a level are merged into one of the next. A larger number
/// makes look-ups longer, a smaller one makes merges write more often.
const MERGED_RUNS: usize = 8;

/// How many pointers are merged for each pointer that a group moves. Each is
/// merged once at every level, and there are never more levels than this.
const MERGED_PER_POINTER: usize = 8;

/// How many pointers are merged with each group in addition.
const MERGED_PER_GROUP: usize = 256;

/// How many obsolete entries are removed with each group.
const REMOVED_PER_GROUP: usize = 64;

/// The most pointers in one entry of a group: few enough for a value of sled.
const PART_POINTERS_MAX: usize = 2048;

pub struct Upkeep {
    index: Arc<Index>,
    /// Whether the store has a list of runs, even an empty one.
    is_listed: bool,
    pub(super) recent_pointers_max: usize,
    /// Everything up to this group is in runs.
    last_group: u64,
    last_run: u64,
    /// The entries of groups that are not in runs yet.
    groups: Vec<Vec<u8>>,
    merge: Option<Merge>,
    /// Whether merging has failed: the runs stay as they are.
    is_stuck: bool,
    /// Entries that are to be removed.
    removable: VecDeque<Vec<u8>>,
    /// Merged runs whose entries are removed as soon as no reader uses them any
    /// more.
    retired: Vec<Retired>,
    /// What becomes visible to readers when the group is written.
    next: Next,
}

/// A merged run, with the keys of its chunks.
struct Retired {
    run: Arc<Run>,
    chunks: Vec<Vec<u8>>,
}

/// What changes for readers.
#[derive(Default)]
struct Next {
    recent: Vec<Pointer>,
    /// The new list of runs, if it changes.
    runs: Option<Vec<Arc<Run>>>,
    /// Whether the recent pointers are in runs now.
    forgets_recent: bool,
}

/// A merge that is under way.
struct Merge {
    inputs: Vec<Arc<Run>>,
    cursors: Vec<Cursor>,
    output: Writer,
    /// Whether nothing is older than the inputs, so that pointers without a
    /// page can be dropped.
    forgets_gone: bool,
}

impl Upkeep {
    pub(super) fn new(
        index: Arc<Index>,
        is_listed: bool,
        last_group: u64,
        last_run: u64,
        groups: Vec<Vec<u8>>,
    ) -> Upkeep {
        let (merge, removable, retired, next) =
            (None, VecDeque::new(), Vec::new(), Next::default());
        Upkeep {
            index,
            is_listed,
            recent_pointers_max: RECENT_POINTERS_MAX,
            last_group,
            last_run,
            groups,
            merge,
            is_stuck: false,
            removable,
            retired,
            next,
        }
    }

    /// The entries that record what `group` moves. Write them in the same batch
    /// as the rest of the group, then call [`publish`](Self::publish).
    pub fn note(&mut self, group: u64, moved: Vec<Pointer>) -> Vec<keys::Entry> {
        let mut entries = Vec::new();
        let (recent, mut runs) = {
            let state = self.index.state.read().unwrap_or_else(PoisonError::into_inner);
            let is_full = state.recent.len() + moved.len() > self.recent_pointers_max;
            (is_full.then(|| state.recent.clone()), state.runs.as_ref().clone())
        };
        let was = runs.len();
        let budget = moved.len() * MERGED_PER_POINTER + MERGED_PER_GROUP;
        let mut is_changed = !self.is_listed;
        // Merging comes first: a run that is created below is not in the tree
        // yet.
        if !self.is_stuck
            && let Err(why) = self.merge(budget, &mut runs, &mut entries)
        {
            // The inputs stay, and look-ups of damaged pointers report it.
            tracing::error!(
                error = %why,
                "the store's index cannot be merged and will grow; check the store (tillgate \
                 store inspect)"
            );
            (self.is_stuck, self.merge) = (true, None);
        }
        is_changed |= runs.len() != was;
        if let Some(mut all) = recent {
            all.extend(moved);
            self.last_run += 1;
            let mut writer = Writer::new(self.last_run, 0, all.len() as u64);
            sorted(all.into_iter().collect())
                .into_iter()
                .for_each(|pointer| writer.push(pointer, &mut entries));
            runs.insert(0, Arc::new(writer.finish(&mut entries)));
            self.last_group = group;
            self.removable.extend(self.groups.drain(..));
            self.next.forgets_recent = true;
            is_changed = true;
        } else {
            for (part, some) in (0..).zip(moved.chunks(PART_POINTERS_MAX)) {
                let raw = keys::moved(group, part);
                entries.push((raw.clone(), Some(write_pointers(some))));
                self.groups.push(raw);
            }
            self.next.recent = moved;
        }
        self.clean_up(&mut entries);
        if is_changed {
            let lines = runs.iter().map(|run| (run.number, run.level, run.pointers));
            let listing = Listing { last_group: self.last_group, runs: lines.collect() };
            entries.push((keys::RUNS.to_vec(), Some(listing.write())));
            self.next.runs = Some(runs);
            self.is_listed = true;
        }
        entries
    }

    /// Makes the written changes visible to readers.
    pub fn publish(&mut self) {
        let Next { recent, runs, forgets_recent } = std::mem::take(&mut self.next);
        let mut state = self.index.state.write().unwrap_or_else(PoisonError::into_inner);
        if forgets_recent {
            state.recent.clear();
        }
        state.recent.extend(recent);
        if let Some(runs) = runs {
            state.runs = Arc::new(runs);
        }
    }

    /// Continues a merge, or begins one when a level has enough runs.
    fn merge(
        &mut self,
        budget: usize,
        runs: &mut Vec<Arc<Run>>,
        entries: &mut Vec<keys::Entry>,
    ) -> Result<(), Unavailable> {
        let mut left = budget;
        while left > 0 {
            let mut merge = match self.merge.take() {
                Some(merge) => merge,
                None => match self.begin(runs)? {
                    Some(merge) => merge,
                    None => return Ok(()),
                },
            };
            while left > 0 {
                left -= 1;
                let Some(pointer) = Cursor::next(&mut merge.cursors, &self.index.tree)? else {
                    let Merge { inputs, cursors, output, .. } = merge;
                    let output = Arc::new(output.finish(entries));
                    // The output goes to the place of the oldest input: runs
                    // that came meanwhile are newer.
                    let is_input =
                        |run: &Arc<Run>| inputs.iter().any(|input| input.number == run.number);
                    let place = runs.iter().rposition(is_input).map_or(0, |place| place + 1);
                    runs.insert(place, output);
                    runs.retain(|run| !is_input(run) && run.pointers > 0);
                    let retired = inputs
                        .into_iter()
                        .zip(cursors)
                        .map(|(run, cursor)| Retired { run, chunks: cursor.chunks_read() });
                    self.retired.extend(retired);
                    return Ok(());
                };
                if pointer.1.is_some() || !merge.forgets_gone {
                    merge.output.push(pointer, entries);
                }
            }
            self.merge = Some(merge);
        }
        Ok(())
    }

    fn begin(&mut self, runs: &[Arc<Run>]) -> Result<Option<Merge>, Unavailable> {
        let of_level = |level| runs.iter().filter(move |run| run.level == level);
        let levels = 0..=runs.last().map_or(0, |oldest| oldest.level);
        let Some(level) = levels.into_iter().find(|level| of_level(*level).count() >= MERGED_RUNS)
        else {
            return Ok(None);
        };
        let inputs: Vec<Arc<Run>> = of_level(level).cloned().collect();
        let cursors = inputs.iter().map(|run| Cursor::of(&self.index.tree, run, Partition::FIRST));
        let cursors = cursors.collect::<Result<Vec<_>, _>>()?;
        self.last_run += 1;
        let pointers = inputs.iter().map(|run| run.pointers).sum();
        let output = Writer::new(self.last_run, level.saturating_add(1), pointers);
        let forgets_gone = runs.last().is_none_or(|oldest| oldest.level == level);
        Ok(Some(Merge { inputs, cursors, output, forgets_gone }))
    }

    fn clean_up(&mut self, entries: &mut Vec<keys::Entry>) {
        let removable = &mut self.removable;
        self.retired.retain_mut(|Retired { run, chunks }| {
            let is_read = Arc::strong_count(run) > 1;
            if !is_read {
                removable.extend(std::mem::take(chunks));
            }
            is_read
        });
        let some = removable.len().min(REMOVED_PER_GROUP);
        entries.extend(removable.drain(..some).map(|raw| (raw, None)));
    }
}
