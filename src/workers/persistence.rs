//! What a worker does when the store cannot be used for a moment: a fail-over of the database takes some seconds, and a
//! claimed message is anybody's again only when its lease has ended.

use std::time::Duration;

use crate::kernel::Stopwatch;
use crate::outbox::MessageId;
use crate::store::{Batch, CommitError, Store, Unavailable};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// An error of the store.
pub trait StoreError {
    /// Whether the store may work again in a moment.
    fn may_pass(&self) -> bool;
}

impl StoreError for Unavailable {
    fn may_pass(&self) -> bool {
        match self {
            Unavailable::Unreachable(_) | Unavailable::Stalled { .. } | Unavailable::Crowded => true,
            Unavailable::Stopped(_)
            | Unavailable::Damaged { .. }
            | Unavailable::NoNumberLeft { .. }
            | Unavailable::Unreadable(_) => false,
        }
    }
}

impl StoreError for CommitError {
    fn may_pass(&self) -> bool {
        match self {
            CommitError::Unavailable(why) => why.may_pass(),
            CommitError::Conflict | CommitError::LostLease => false,
        }
    }
}

/// Does something with the store, again and again for at most `patience` while the store may work again in a moment.
pub async fn persist<T, E, F>(patience: Duration, work: impl Fn() -> F) -> Result<T, E>
where
    E: StoreError,
    F: Future<Output = Result<T, E>>,
{
    let since = Stopwatch::start();
    loop {
        match work().await {
            Err(why) if why.may_pass() && since.elapsed() < patience => tokio::time::sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Commits what became of a claimed message. A lease that is lost after an attempt whose outcome nobody knows means that the
/// attempt was a commit.
pub async fn settle(
    store: &Store,
    id: MessageId,
    batch: &Batch,
    patience: Duration,
) -> Result<(), CommitError> {
    let since = Stopwatch::start();
    let mut is_in_doubt = false;
    loop {
        match store.commit(batch.clone()).await {
            Err(why) if why.may_pass() && since.elapsed() < patience => {
                tracing::warn!(message.id = %id, error = %why, "what became of a message is not settled yet");
                is_in_doubt = true;
                tokio::time::sleep(PAUSE).await;
            }
            Err(CommitError::LostLease) if is_in_doubt => return Ok(()),
            outcome => return outcome,
        }
    }
}
