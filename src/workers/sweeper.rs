//! Deletes what is past its retention time, in small steps with pauses between
//! them.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::Services;
use crate::flows::sweep::{Progress, Retention, sweep_step};
use crate::telemetry::metrics;

/// The pause between two rounds.
const ROUND_PAUSE: Duration = Duration::from_secs(600);

/// The pause between two steps of a round: the sweeper uses only a small share
/// of the disk.
const STEP_PAUSE: Duration = Duration::from_millis(50);

/// Runs until drained.
pub async fn run(services: Services, retention: Retention, drain: CancellationToken) {
    loop {
        let mut progress = match Progress::begin(&services).await {
            Ok(beginning) => Some(beginning),
            Err(why) => {
                tracing::warn!(error = %why, "sweeping did not begin, it is tried in the next round");
                None
            }
        };
        while let Some(at) = progress {
            progress = match sweep_step(&services, &retention, at).await {
                Ok((swept, next)) => {
                    metrics::swept(swept as u64);
                    next
                }
                Err(why) => {
                    tracing::warn!(
                        error = %why,
                        "sweeping stopped, it continues in the next round"
                    );
                    None
                }
            };
            if pause(STEP_PAUSE, &drain).await.is_break() {
                return;
            }
        }
        if pause(ROUND_PAUSE, &drain).await.is_break() {
            return;
        }
    }
}

async fn pause(time: Duration, drain: &CancellationToken) -> std::ops::ControlFlow<()> {
    tokio::select! {
        () = drain.cancelled() => std::ops::ControlFlow::Break(()),
        () = tokio::time::sleep(time) => std::ops::ControlFlow::Continue(()),
    }
}
