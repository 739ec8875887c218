//! The filters of the runs of earlier processes.

use std::sync::{Arc, Weak};

use super::Index;
use super::run::{FilterBuilder, Run};

impl Index {
    /// Builds the filters of the runs of earlier processes, until the index is
    /// dropped. Opening does not wait for that: without a filter, a look-up
    /// reads a chunk of the run.
    pub fn build_filters(index: &Weak<Index>) {
        let runs: Vec<Weak<Run>> = match index.upgrade() {
            Some(index) => index.runs().iter().map(Arc::downgrade).collect(),
            None => return,
        };
        for run in runs {
            // A run that was merged meanwhile needs none.
            let run = run.upgrade().filter(|run| !run.has_filter());
            let mut builder = run.map(FilterBuilder::new);
            while let Some(unfinished) = builder {
                let Some(index) = index.upgrade() else { return };
                builder = unfinished.step(&index.tree);
            }
        }
    }
}
