//! How a step ends.

use std::time::Duration;

use super::RETRY;
use crate::kernel::Failure;
use crate::kernel::time::between;
use crate::outbox::{Claimed, Settlement};
use crate::payments::{CallOutcome, RetryLater, RetryReason, WATCH_LANE};
use crate::workers::attempts::Stepped;

/// What it means that no call was made.
pub(super) fn not_called<T>(is_send: bool, reason: RetryReason) -> CallOutcome<T> {
    if is_send { CallOutcome::NotDone(reason) } else { CallOutcome::NotSeen(reason) }
}

/// How a task is settled that goes on for the reason `again`, or is over.
pub(super) fn settlement<T>(
    claimed: &Claimed,
    stepped: &Stepped<T>,
    again: Option<&RetryLater>,
) -> Settlement {
    let (Claimed { delivery, at: now, .. }, &Stepped { wish, is_linked, .. }) = (claimed, stepped);
    let Some(again) = again else { return Settlement::Sent };
    if again.is_waiting() && delivery.lane != WATCH_LANE {
        return Settlement::Sent; // the watch goes on from here
    }
    // While it can be paid it is looked after, however long that takes.
    let age = match delivery.first_failed_at {
        Some(first) if !is_linked => between(first, *now),
        Some(_) | None => Duration::ZERO,
    };
    let error = Failure::of(&again.reason);
    match RETRY.delay(delivery.attempts + 1, age, wish) {
        Some(delay) => Settlement::Retry { wait: again.after.unwrap_or(delay), error },
        None => Settlement::Dead { error },
    }
}
