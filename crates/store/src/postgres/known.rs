//! What this process has observed of the servers.

use std::sync::atomic::Ordering;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::CALL_MILLISECONDS_MAX;
use tillgate_kernel::Stopwatch;

/// What this process has observed of the servers.
#[derive(Debug, Default)]
pub struct Known {
    pub(super) latest: Mutex<Option<Latest>>,
    /// How often the outcome of something that we sent was unconfirmed.
    pub(super) unconfirmed: AtomicU64,
    /// How often a different server was chosen than before.
    pub(super) changes: AtomicU64,
    /// Whether two servers accepted writes at the last check.
    pub(super) split: AtomicBool,
    pub(super) barriers: Barriers,
}

/// What was observed of the servers, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The timeline of the server that is written to.
    pub timeline: Option<u32>,
    /// How often another server became the one that is written to, since the
    /// start of this process.
    pub primary_changes: u64,
    /// How often it was unknown whether something is kept as promised, since
    /// the start of this process.
    pub unconfirmed: u64,
    /// Whether two servers accepted writes on the same timeline at the last
    /// check.
    pub is_split: bool,
}

/// The server that was chosen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Latest {
    pub(super) place: usize,
    pub(super) system: i64,
    pub(super) timeline: u32,
    /// When the server was started, to the microsecond. It distinguishes two
    /// addresses of one server from two servers.
    pub(super) began: String,
}

/// How long a server may take from the first packet until it has reported its
/// status.
pub const GREETING_MAX: Duration = Duration::from_millis(1800);

/// How long a barrier may take before it is overdue.
pub(super) const OVERDUE: Duration = Duration::from_millis(CALL_MILLISECONDS_MAX);

/// The barriers of this process that have not returned.
#[derive(Debug, Default)]
pub struct Barriers {
    next: AtomicU64,
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    timeline: u32,
    since: Stopwatch,
}

impl Barriers {
    pub(super) fn enter(&self, timeline: u32) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting { number, timeline, since: Stopwatch::start() };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
        number
    }

    pub(super) fn leave(&self, number: u64) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|waiting| waiting.number != number);
    }

    pub(super) fn is_any_overdue(&self, timeline: u32) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting
            .iter()
            .any(|waiting| waiting.timeline >= timeline && waiting.since.elapsed() > OVERDUE)
    }
}
