//! The filters of the runs of earlier processes.

use std::sync::{Arc, Weak};

use super::Index;
use super::run::{FilterBuilder, Run};

impl Index {
    /// Builds the filters of the runs of earlier processes, until the index is
    /// dropped. Opening does not wait for that: without a filter, a look-up
    /// reads a chunk of the run. Returns what is damaged or missing.
    pub fn build_filters(index: &Weak<Index>) -> Vec<String> {
        let mut damaged = Vec::new();
        let Some(runs) = index.upgrade().map(|index| index.runs()) else { return damaged };
        // A run that is merged meanwhile needs none.
        let runs: Vec<Weak<Run>> = Arc::unwrap_or_clone(runs).iter().map(Arc::downgrade).collect();
        for run in runs {
            let run = run.upgrade().filter(|run| !run.has_filter());
            let mut builder = run.map(FilterBuilder::new);
            while let Some(unfinished) = builder {
                let Some(index) = index.upgrade() else { return damaged };
                builder = unfinished.step(&index.tree).unwrap_or_else(|why| {
                    damaged.push(why);
                    None
                });
            }
        }
        damaged
    }
}
