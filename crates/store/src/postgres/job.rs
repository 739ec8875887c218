//! A batch that is to be committed.

use tillgate_kernel::Stopwatch;
use tokio::sync::oneshot;

use crate::CommitError;
use crate::batch::Batch;
use crate::workers::Reservations;

/// The outcome of a batch.
pub(super) type Outcome = Result<Vec<i64>, CommitError>;

/// A batch that a caller waits for.
pub struct Job {
    pub(super) batch: Batch,
    pub(super) reserved: Reservations,
    pub(super) answer: oneshot::Sender<Outcome>,
    /// Started when the batch began to wait for a lock.
    pub(super) locked: Option<Stopwatch>,
}

impl Job {
    pub fn new(batch: Batch, reserved: Reservations, answer: oneshot::Sender<Outcome>) -> Job {
        Job { batch, reserved, answer, locked: None }
    }
}
