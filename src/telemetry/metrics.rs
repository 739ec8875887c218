//! Figures for Prometheus. Labels are closed sets: sources, kinds, verdicts; never an order or a person.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::dedup::Verdict;
use crate::outbox::Lane;

/// Answers are counted in these bounds, in seconds. The sender's patience ends at 5.
const HOOK_SECONDS_BOUNDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0];

/// Installs the recorder for this process. A second call in one process gets a recorder that sees nothing,
/// as only the first can be installed.
#[must_use]
pub fn install() -> PrometheusHandle {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("tillgate_hook_seconds".into()), &HOOK_SECONDS_BOUNDS);
    let builder = builder.unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_ok() {
        describe_counter!("tillgate_hooks_total", "Hooks by source and verdict");
        describe_histogram!("tillgate_hook_seconds", Unit::Seconds, "From a hook's last byte to its answer");
        describe_counter!("tillgate_hooks_forged_total", "Requests to a hook's address without its token");
        describe_counter!(
            "tillgate_hooks_unavailable_total",
            "Hooks answered 503 because the store could not be used"
        );
        describe_counter!(
            "tillgate_outbox_attempts_total",
            "Attempts to hand over messages, by lane and outcome"
        );
        describe_gauge!(
            "tillgate_outbox_messages",
            "Messages in the outbox by lane and state, counted up to 1000"
        );
        describe_counter!("tillgate_payment_calls_total", "Calls to payment systems, by gateway and outcome");
        describe_counter!(
            "tillgate_notices_total",
            "Notifications of payment systems, by gateway and verdict"
        );
        describe_counter!(
            "tillgate_swept_total",
            "Entries of the journal and messages that were kept for their time and swept"
        );
        describe_gauge!(
            "tillgate_database_timeline",
            "The timeline of the database server that is written to"
        );
        describe_counter!(
            "tillgate_database_primary_changes_total",
            "How often another server of the database became the one that is written to"
        );
        describe_counter!(
            "tillgate_database_doubts_total",
            "Commits whose outcome was in doubt: the database warned beside its answer, or did not answer"
        );
        describe_gauge!(
            "tillgate_database_split",
            "1 while two servers of the database take writes on the same timeline"
        );
        describe_counter!(
            "tillgate_connections_refused_total",
            "Connections that were not let in (address: it has its share), or that sent nothing and made room (idle)"
        );
        describe_counter!(
            "tillgate_unauthorized_total",
            "Requests to the merchants' API (v1) or the admin API (admin) without a valid key"
        );
        describe_counter!(
            "tillgate_log_lines_dropped_total",
            "Lines of the log that were dropped because its reader did not keep up"
        );
        describe_counter!(
            "tillgate_transaction_conflicts_total",
            "How often a use case was run again because another had committed first, by use case"
        );
        describe_gauge!("tillgate_build_info", "Always 1; the version is a label");
        gauge!("tillgate_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    }
    handle
}

/// How often measured times are folded into their histograms: until then each of them takes memory.
const UPKEEP_PAUSE: Duration = Duration::from_secs(5);

/// Folds measured times until drained, whether or not anybody asks for the figures.
pub async fn keep_up(handle: PrometheusHandle, drain: CancellationToken) {
    while !drain.is_cancelled() {
        handle.run_upkeep();
        tokio::select! {
            () = drain.cancelled() => {}
            () = tokio::time::sleep(UPKEEP_PAUSE) => {}
        }
    }
}

/// A hook was answered.
pub fn hook_answered(source: &str, verdict: Verdict, took: Duration) {
    counter!("tillgate_hooks_total", "source" => source.to_owned(), "verdict" => verdict.as_str())
        .increment(1);
    histogram!("tillgate_hook_seconds", "source" => source.to_owned()).record(took);
}

/// A use case was committed, or given up, after so many conflicts.
pub fn transaction(name: &'static str, conflicts: u32) {
    if conflicts > 0 {
        counter!("tillgate_transaction_conflicts_total", "name" => name).increment(u64::from(conflicts));
    }
}

/// A payment system was called.
pub fn payment_call(gateway: &str, outcome: &'static str) {
    counter!("tillgate_payment_calls_total", "gateway" => gateway.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// A payment system is left alone because it fails, or is called again.
pub fn gateway_rests(gateway: &str, rests: bool) {
    gauge!("tillgate_gateway_rests", "gateway" => gateway.to_owned()).set(f64::from(u8::from(rests)));
}

/// A payment system's notification was answered.
pub fn notice_answered(gateway: &str, verdict: &'static str) {
    counter!("tillgate_notices_total", "gateway" => gateway.to_owned(), "verdict" => verdict).increment(1);
}

/// Someone without the token tried.
pub fn hook_forged(source: &str) {
    counter!("tillgate_hooks_forged_total", "source" => source.to_owned()).increment(1);
}

/// A request did not prove whose it is.
pub fn log_in_refused(door: &'static str) {
    counter!("tillgate_unauthorized_total", "door" => door).increment(1);
}

/// A line of the log was dropped.
pub fn log_line_dropped() {
    counter!("tillgate_log_lines_dropped_total").increment(1);
}

/// The store could not be used.
pub fn hook_unavailable(source: &str) {
    counter!("tillgate_hooks_unavailable_total", "source" => source.to_owned()).increment(1);
}

/// A message was handed over, or not.
pub fn outbox_attempt(lane: Lane, outcome: &'static str) {
    counter!("tillgate_outbox_attempts_total", "lane" => lane.to_string(), "outcome" => outcome).increment(1);
}

/// How many messages there are.
pub fn outbox_messages(lane: Lane, state: &'static str, count: u32) {
    gauge!("tillgate_outbox_messages", "lane" => lane.to_string(), "state" => state).set(f64::from(count));
}

/// What was seen of the database's servers.
pub fn servers_seen(timeline: Option<u32>, primary_changes: u64, doubts: u64, is_split: bool) {
    if let Some(timeline) = timeline {
        gauge!("tillgate_database_timeline").set(timeline);
    }
    counter!("tillgate_database_primary_changes_total").absolute(primary_changes);
    counter!("tillgate_database_doubts_total").absolute(doubts);
    gauge!("tillgate_database_split").set(u8::from(is_split));
}

/// Documents were swept.
pub fn swept(count: u64) {
    counter!("tillgate_swept_total").increment(count);
}
