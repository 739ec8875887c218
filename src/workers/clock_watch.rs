//! Compares this machine's clock with the store's from time to time: clocks
//! drift, and are set.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::Services;
use crate::flows::measure_clock_skew::measure;

/// The pause between two comparisons.
const GAP: Duration = Duration::from_secs(30);

/// Runs until drained.
pub async fn run(services: Services, drain: CancellationToken) {
    let mut was_off = services.clock_skew.trouble().is_some();
    loop {
        tokio::select! {
            () = drain.cancelled() => return,
            () = tokio::time::sleep(GAP) => {}
        }
        look(&services).await;
        let trouble = services.clock_skew.trouble();
        if trouble.is_some() != was_off {
            match &trouble {
                Some(why) => {
                    tracing::error!(
                        reason = why,
                        "hooks that are dated ahead are not detected until this is fixed"
                    )
                }
                None => tracing::info!("this machine's clock agrees with the store's again"),
            }
        }
        was_off = trouble.is_some();
    }
}

/// Compares once. Other code reports that the store is unavailable.
pub async fn look(services: &Services) {
    if let Err(why) = measure(services).await {
        tracing::debug!(error = %why, "the store's clock could not be read");
    }
}
