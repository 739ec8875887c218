//! How far the disk has come, shared with everyone who waits for it.

use tokio::sync::watch;

/// The state of the store's writes.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Everything up to this group is on the disk.
    Durable { group: u64 },
    /// A write failed: nothing is accepted any more.
    Stopped { why: String },
}

/// Marks the store as stopped: nothing is acknowledged any more.
pub fn stop(progress: &watch::Sender<Progress>, why: String) {
    tracing::error!(
        reason = %why,
        "the store has stopped: a write failed, nothing more is acknowledged"
    );
    progress.send_replace(Progress::Stopped { why });
}
