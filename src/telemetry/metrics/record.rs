//! Records what happened.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::kernel::Money;
use crate::outbox::Lane;

/// Counts the conflicts of a use case that was committed or given up.
pub fn transaction(name: &'static str, conflicts: u32) {
    if conflicts > 0 {
        counter!("tillgate_transaction_conflicts_total", "name" => name)
            .increment(u64::from(conflicts));
    }
}

/// Counts a call to a payment system.
pub fn payment_call(gateway: &str, outcome: &'static str) {
    counter!("tillgate_payment_calls_total", "gateway" => gateway.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// Records whether calls to a payment system are paused because it fails.
pub fn gateway_paused(gateway: &str, is_paused: bool) {
    gauge!("tillgate_gateway_paused", "gateway" => gateway.to_owned())
        .set(f64::from(u8::from(is_paused)));
}

/// Counts a notification of a payment system that was answered.
pub fn notification_answered(gateway: &str, verdict: &'static str) {
    counter!("tillgate_notifications_total", "gateway" => gateway.to_owned(), "verdict" => verdict)
        .increment(1);
}

/// Counts a request without a valid key.
pub fn unauthorized(api: &'static str) {
    counter!("tillgate_unauthorized_total", "api" => api).increment(1);
}

/// Counts a log line that was dropped.
pub fn log_line_dropped() {
    counter!("tillgate_log_lines_dropped_total").increment(1);
}

/// Counts an attempt to send a message.
pub fn outbox_attempt(lane: Lane, outcome: &'static str) {
    counter!("tillgate_outbox_attempts_total", "lane" => lane.to_string(), "outcome" => outcome)
        .increment(1);
}

/// Records how many messages of a lane are in a state.
pub fn outbox_messages(lane: Lane, state: &'static str, count: u32) {
    gauge!("tillgate_outbox_messages", "lane" => lane.to_string(), "state" => state)
        .set(f64::from(count));
}

/// Records what is known of the database's servers.
pub fn servers_seen(timeline: Option<u32>, primary_changes: u64, unconfirmed: u64, is_split: bool) {
    if let Some(timeline) = timeline {
        gauge!("tillgate_database_timeline").set(timeline);
    }
    counter!("tillgate_database_primary_changes_total").absolute(primary_changes);
    counter!("tillgate_database_unconfirmed_total").absolute(unconfirmed);
    gauge!("tillgate_database_split").set(u8::from(is_split));
}

/// Counts documents that were deleted after their retention time.
pub fn swept(count: u64) {
    counter!("tillgate_swept_total").increment(count);
}

/// Records how old the oldest message of a lane is that is due.
pub fn outbox_oldest(lane: Lane, age: Duration) {
    gauge!("tillgate_outbox_oldest_seconds", "lane" => lane.to_string()).set(age.as_secs_f64());
}

/// Records how many of the latest orders need a decision.
pub fn attention_orders(count: u32) {
    gauge!("tillgate_attention_orders").set(count);
}

/// Records the money of the latest orders in a state.
#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a metric is rounded")]
pub fn money(state: &'static str, currency: &'static str, amount: Money) {
    gauge!("tillgate_money", "state" => state, "currency" => currency)
        .set(amount.kopecks() as f64 / 100.0);
}

/// Records the time of a call to a peer, which is named as in the
/// configuration.
pub fn peer_call(peer: &str, outcome: &'static str, took: Duration) {
    histogram!("tillgate_peer_call_seconds", "peer" => peer.to_owned(), "outcome" => outcome)
        .record(took);
}
