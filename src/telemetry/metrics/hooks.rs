//! The metrics of a source's hooks. They are looked up in the registry once,
//! not for each hook.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};

use crate::dedup::Verdict;

/// The metrics of the hooks of one source.
pub struct HookMetrics {
    answered: [Counter; Verdict::ALL.len()],
    seconds: Histogram,
    forged: Counter,
    unavailable: Counter,
}

impl std::fmt::Debug for HookMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HookMetrics")
    }
}

impl HookMetrics {
    #[must_use]
    pub fn of(source: &str) -> HookMetrics {
        let answered = |verdict: Verdict| {
            let (source, verdict) = (source.to_owned(), verdict.as_str());
            counter!("tillgate_hooks_total", "source" => source, "verdict" => verdict)
        };
        HookMetrics {
            answered: Verdict::ALL.map(answered),
            seconds: histogram!("tillgate_hook_seconds", "source" => source.to_owned()),
            forged: counter!("tillgate_hooks_forged_total", "source" => source.to_owned()),
            unavailable: counter!("tillgate_hooks_unavailable_total", "source" => source.to_owned()),
        }
    }

    /// Counts a hook that was answered, and records how long that took.
    pub fn answered(&self, verdict: Verdict, took: Duration) {
        for (counter, of) in self.answered.iter().zip(Verdict::ALL) {
            if of == verdict {
                counter.increment(1);
            }
        }
        self.seconds.record(took);
    }

    /// Counts a request to the source's address that failed verification.
    pub fn forged(&self) {
        self.forged.increment(1);
    }

    /// Counts a hook that was refused because it could not be stored now.
    pub fn unavailable(&self) {
        self.unavailable.increment(1);
    }
}
