//! Compares this machine's clock with the store's, now and then: clocks drift, and are set.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::Shop;
use crate::flows::measure_clock_skew::measure;

/// Between two looks.
const GAP: Duration = Duration::from_secs(30);

/// Runs until drained.
pub async fn run(shop: Shop, drain: CancellationToken) {
    let mut was_off = shop.clock_skew.trouble().is_some();
    loop {
        tokio::select! {
            () = drain.cancelled() => return,
            () = tokio::time::sleep(GAP) => {}
        }
        look(&shop).await;
        let trouble = shop.clock_skew.trouble();
        if trouble.is_some() != was_off {
            match &trouble {
                Some(why) => {
                    tracing::error!(reason = why, "no hook is judged as dated ahead until this is mended")
                }
                None => tracing::info!("this machine's clock agrees with the store's again"),
            }
        }
        was_off = trouble.is_some();
    }
}

/// Looks once. A store that cannot be asked says so elsewhere.
pub async fn look(shop: &Shop) {
    if let Err(why) = measure(shop).await {
        tracing::debug!(error = %why, "the store's clock could not be read");
    }
}
