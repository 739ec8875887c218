//! Look-ups in the index.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::Index;
use super::run::{Cursor, Location, Pointer};
use crate::Unavailable;
use tillgate_kernel::Partition;

impl Index {
    /// Whether a partition certainly has no page, judging by memory alone.
    pub fn has_surely_not(&self, partition: Partition) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match state.recent.get(&partition) {
            Some(spot) => spot.is_none(),
            None => state.runs.iter().all(|run| run.has_surely_not(partition)),
        }
    }

    /// The location of a partition's page.
    pub fn find(&self, partition: Partition) -> Result<Option<Location>, Unavailable> {
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

    /// The partitions that have a page, at most `limit`, after `after`.
    pub fn partitions(
        &self,
        after: Option<Partition>,
        limit: usize,
    ) -> Result<Vec<Partition>, Unavailable> {
        let from = after.map_or(Some(Partition::FIRST), Partition::next);
        let Some(from) = from else { return Ok(Vec::new()) };
        let (recent, runs) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let recent = state.recent.iter().map(|(partition, spot)| (*partition, *spot));
            (
                recent.filter(|(partition, _)| *partition >= from).collect::<Vec<_>>(),
                Arc::clone(&state.runs),
            )
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

    /// While the guard is held, no pointer moves.
    pub fn standing_still(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sorts pointers by their partitions.
pub(super) fn sorted(mut pointers: Vec<Pointer>) -> Vec<Pointer> {
    pointers.sort_unstable_by_key(|(partition, _)| *partition);
    pointers
}
