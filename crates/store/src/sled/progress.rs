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

/// Marks the store as stopped: nothing is acknowledged any more. The first
/// reason is kept.
pub fn stop(progress: &watch::Sender<Progress>, why: String) {
    progress.send_if_modified(|progress| {
        if let Progress::Stopped { .. } = progress {
            return false;
        }
        tracing::error!(
            reason = %why,
            "the store has stopped: a write failed, nothing more is acknowledged"
        );
        *progress = Progress::Stopped { why };
        true
    });
}
