//! Metrics for Prometheus. The values of labels are closed sets: sources,
//! kinds, verdicts; never an order or a person.

mod hooks;
mod list;
mod record;

use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

pub use self::hooks::HookMetrics;
pub use self::list::markdown;
use self::list::{Kind, METRICS, Metric};
pub use self::record::*;

/// The bounds of histograms, in seconds. A sender of hooks waits for 5 seconds,
/// and a call to a payment system takes up to 15.
const SECONDS_BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

/// Installs the recorder for this process. Only the first call can install one:
/// a later call in the same process returns a recorder that sees nothing.
#[must_use]
pub fn install() -> PrometheusHandle {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BOUNDS);
    let builder = builder.unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_ok() {
        for Metric { kind, name, about, .. } in METRICS {
            match kind {
                Kind::Counter => describe_counter!(*name, *about),
                Kind::Gauge => describe_gauge!(*name, *about),
                Kind::Histogram => describe_histogram!(*name, Unit::Seconds, *about),
            }
        }
        gauge!("tillgate_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    }
    handle
}

/// How often recorded times are folded into their histograms. Until then, each
/// of them takes memory.
const UPKEEP_PAUSE: Duration = Duration::from_secs(5);

/// Folds recorded times until drained, whether or not anybody reads the
/// metrics.
pub async fn keep_up(handle: PrometheusHandle, drain: CancellationToken) {
    while !drain.is_cancelled() {
        handle.run_upkeep();
        tokio::select! {
            () = drain.cancelled() => {}
            () = tokio::time::sleep(UPKEEP_PAUSE) => {}
        }
    }
}
