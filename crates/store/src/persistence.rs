//! Retries store operations while the store is briefly unavailable. A fail-over
//! of the database takes some seconds, and other workers can claim a message
//! only after its lease has expired.

use std::time::Duration;

use tillgate_kernel::Stopwatch;
use tillgate_kernel::outbox::MessageId;

use crate::{Batch, CommitError, Store, Unavailable};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

pub trait StoreError {
    /// Whether the operation may succeed in a moment.
    fn may_pass(&self) -> bool;
}

impl StoreError for Unavailable {
    fn may_pass(&self) -> bool {
        match self {
            Unavailable::Unreachable(_) | Unavailable::Stalled { .. } | Unavailable::Crowded => {
                true
            }
            Unavailable::Stopped(_)
            | Unavailable::Damaged { .. }
            | Unavailable::NoNumberLeft { .. }
            | Unavailable::TooManyParked { .. }
            | Unavailable::QuotaUsedUp { .. }
            | Unavailable::Unreadable(_) => false,
        }
    }
}

impl StoreError for CommitError {
    fn may_pass(&self) -> bool {
        match self {
            CommitError::Unavailable(why) => why.may_pass(),
            CommitError::Conflict | CommitError::LostLease | CommitError::Short { .. } => false,
        }
    }
}

/// Runs a store operation, and retries it for at most `patience` while its
/// error may pass.
pub async fn persist<T, E, F>(patience: Duration, work: impl Fn() -> F) -> Result<T, E>
where
    E: StoreError,
    F: Future<Output = Result<T, E>>,
{
    let since = Stopwatch::start();
    loop {
        match work().await {
            Err(why) if why.may_pass() && since.elapsed() < patience => {
                tokio::time::sleep(PAUSE).await
            }
            outcome => return outcome,
        }
    }
}

/// Commits the settlement of a claimed message. If the outcome of one attempt
/// is unknown and the next one finds the lease lost, then the first one was
/// committed.
pub async fn settle(
    store: &Store,
    id: MessageId,
    batch: &Batch,
    patience: Duration,
) -> Result<(), CommitError> {
    let since = Stopwatch::start();
    let mut is_outcome_unknown = false;
    loop {
        match store.commit(batch.clone()).await {
            Err(why) if why.may_pass() && since.elapsed() < patience => {
                tracing::warn!(
                    message.id = %id,
                    error = %why,
                    "the settlement of a message may not be committed yet; it is retried"
                );
                is_outcome_unknown = true;
                tokio::time::sleep(PAUSE).await;
            }
            Err(CommitError::LostLease) if is_outcome_unknown => return Ok(()),
            outcome => return outcome,
        }
    }
}
