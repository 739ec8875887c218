//! How a task is settled after its step.

use std::time::Duration;

use crate::kernel::Failure;
use crate::kernel::time::between;
use crate::outbox::{Claimed, Settlement};
use crate::payments::{CallOutcome, RetryLater, RetryReason, WATCH_LANE};
use crate::peer::RetryPolicy;
use crate::workers::attempts::{LogLines, StepResult};

/// A payment that cannot be settled for three days becomes a dead letter and
/// waits for a person.
pub(super) const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
    give_up_after: Duration::from_secs(3 * 24 * 3600),
};

pub(super) const LOG: LogLines = LogLines {
    sent: "a payment task is done",
    waits: "a payment waits for its buyer",
    retry: "a payment is not settled yet, will be retried",
    dead: "a payment task was given up; fix the cause, then run",
};

/// The outcome of a step that made no call.
pub(super) fn not_called<T>(is_send: bool, reason: RetryReason) -> CallOutcome<T> {
    if is_send { CallOutcome::NotDone(reason) } else { CallOutcome::NotSeen(reason) }
}

/// The settlement of a task that continues for the reason `again`, or is
/// finished without one.
pub(super) fn settlement<T>(
    claimed: &Claimed,
    stepped: &StepResult<T>,
    again: Option<&RetryLater>,
) -> Settlement {
    let (Claimed { delivery, at: now, .. }, &StepResult { retry_after, is_linked, .. }) =
        (claimed, stepped);
    let Some(again) = again else { return Settlement::Sent };
    if again.is_waiting() && delivery.lane != WATCH_LANE {
        return Settlement::Sent; // the watch lane continues from here
    }
    // A linked payment is retried while it can be paid, however long that is.
    let age = match delivery.first_failed_at {
        Some(first) if !is_linked => between(first, *now),
        Some(_) | None => Duration::ZERO,
    };
    let error = Failure::of(&again.reason);
    match RETRY.delay(delivery.attempts + 1, age, retry_after) {
        Some(delay) => Settlement::Retry { wait: again.after.unwrap_or(delay), error },
        None => Settlement::Dead { error },
    }
}
