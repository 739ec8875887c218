//! Shares the counts of quotas between receivers.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::Services;
use crate::flows::share_counts::share_counts;

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(10);

/// Runs until drained, then shares the rest.
pub async fn run(services: Services, drain: CancellationToken) {
    loop {
        if let Err(why) = share_counts(&services).await {
            tracing::warn!(
                error = %why,
                "the bytes that were stored today could not be counted; will retry"
            );
        }
        if drain.is_cancelled() {
            return;
        }
        tokio::select! {
            () = drain.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}
