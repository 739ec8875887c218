//! A request that another system must carry out at most once: the intention,
//! the call, and the record of its outcome.
//!
//! ```text
//!            intention       call         answer or look-up
//!   wanted ──▶ planned ──▶ sending ────────▶ known (its state is the owner's),
//!                 ▲          │  ▲            refused, or needs review
//!     not done    └──────────┤  │ not found: same number, same bytes
//!                            ▼  │
//!                          unknown: look it up
//! ```
//!
//! The intention is committed before the call, together with the exact bytes;
//! the outcome is committed after it. A call was certainly carried out,
//! certainly not carried out, or its outcome is unknown. In the last case the
//! other system is asked for the number before the same bytes are sent again. A
//! process may die at any point; whichever process continues can see how far
//! the attempt has got.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::note::{Mismatch, Refusal, RetryReason};
use crate::kernel::time::between;
use crate::kernel::{Private, Timestamp};

/// How far an attempt has got, until it is known what the other system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Progress {
    /// Certainly nothing has been sent.
    Planned,
    /// A call is in progress, or was when the process died.
    Sending { since: Timestamp },
    /// The outcome of a call is unknown: the other system may have the request.
    Unknown {
        since: Timestamp,
        /// How many look-ups have not found it.
        looks: u32,
        /// The look-ups did not find it although it would have been visible by
        /// now: the other system does not have it.
        is_absent: bool,
    },
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextCall {
    /// Send the request.
    Send,
    /// Look it up at the other system.
    Look,
}

impl Progress {
    #[must_use]
    pub fn next(self) -> NextCall {
        match self {
            Progress::Planned | Progress::Unknown { is_absent: true, .. } => NextCall::Send,
            // The process that was sending has died.
            Progress::Sending { .. } | Progress::Unknown { is_absent: false, .. } => NextCall::Look,
        }
    }
}

/// The outcome of a call about a `T` of the other system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome<T> {
    /// It was certainly not carried out and may be tried again.
    NotDone(RetryReason),
    /// It was refused, and would be refused again.
    Refused(Refusal),
    /// The number is used already: an earlier call was carried out after all.
    Duplicate,
    /// It may or may not have been carried out.
    Unknown(RetryReason),
    /// It was created.
    Created(T),
    /// The look-up or the cancellation failed: nothing new is known.
    NotSeen(RetryReason),
    /// What was found under the number.
    Found(Vec<T>),
    /// The current status.
    Status(T),
}

impl<T> CallOutcome<T> {
    /// The name of the outcome in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            CallOutcome::NotDone(_) => "not_done",
            CallOutcome::Refused(_) => "refused",
            CallOutcome::Duplicate => "duplicate",
            CallOutcome::Unknown(_) => "unknown",
            CallOutcome::Created(_) => "created",
            CallOutcome::NotSeen(_) => "not_seen",
            CallOutcome::Found(_) => "found",
            CallOutcome::Status(_) => "status",
        }
    }
}

/// The attempt is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryLater {
    /// When to continue; `None` for the usual backoff.
    pub after: Option<Duration>,
    pub reason: RetryReason,
}

impl RetryLater {
    /// Everything is in order; check again after `after`.
    #[must_use]
    pub fn waits(after: Duration) -> RetryLater {
        RetryLater { after: Some(after), reason: RetryReason::Waits }
    }

    /// Try again after the usual backoff.
    #[must_use]
    pub fn because(reason: RetryReason) -> RetryLater {
        RetryLater { after: None, reason }
    }

    /// Whether everything is in order, so that this is not a failure.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.reason == RetryReason::Waits
    }
}

/// A request that another system must carry out at most once.
pub trait Attempt {
    /// The other system's view of it.
    type RemotePayment;

    /// How far it has got; `None` once it is known what the other system has.
    fn progress(&self) -> Option<Progress>;

    fn set_progress(&mut self, progress: Progress);

    /// The request as it was first sent.
    fn request_mut(&mut self) -> &mut Option<Private>;

    /// Whether a call has ended with an unknown outcome.
    fn outcome_unknown_mut(&mut self) -> &mut bool;

    /// Whether an object that was found is this one, judged by its number.
    fn is_own(&self, remote: &Self::RemotePayment) -> bool;

    /// Records that the other system has it.
    fn known(&mut self, remote: Self::RemotePayment, now: Timestamp) -> Result<(), RetryLater>;

    /// Records that the other system refuses it.
    fn refuse(&mut self, refusal: Refusal, now: Timestamp);

    /// Records that the other system has something else: a person must decide.
    fn review(&mut self, mismatch: Mismatch, now: Timestamp);

    /// What follows when it was known but a look-up does not find it. `None` if
    /// that is treated like one that was never found.
    fn not_shown(&self) -> Option<RetryLater>;

    /// Prepares sending the request. The result is written before the call, so
    /// that the outcome cannot be lost if the process dies. The bytes of the
    /// first attempt are kept.
    fn sends(&mut self, request: Private, now: Timestamp) {
        self.request_mut().get_or_insert(request);
        if matches!(self.progress(), Some(Progress::Unknown { is_absent: true, .. })) {
            // What was sent before did not arrive.
            *self.outcome_unknown_mut() = false;
        }
        self.set_progress(Progress::Sending { since: now });
    }

    /// Records the outcome of a call. The error says what remains to be done,
    /// and when.
    fn record(
        &mut self,
        outcome: CallOutcome<Self::RemotePayment>,
        now: Timestamp,
    ) -> Result<(), RetryLater> {
        let progress = self.progress();
        match outcome {
            CallOutcome::Created(remote) | CallOutcome::Status(remote) => self.known(remote, now),
            CallOutcome::Found(remotes) => {
                let mut own = remotes.into_iter().filter(|remote| self.is_own(remote));
                match (own.next(), own.next()) {
                    (Some(remote), None) => self.known(remote, now),
                    (Some(_), Some(_)) => {
                        self.review(Mismatch::Several, now);
                        Ok(())
                    }
                    (None, _) => Err(self.not_shown().unwrap_or_else(|| self.not_found(now))),
                }
            }
            CallOutcome::NotDone(reason) => {
                self.take_back();
                Err(RetryLater::because(reason))
            }
            // What is known stays known: this only says that a call failed.
            CallOutcome::Refused(refusal) if progress.is_none() => {
                Err(RetryLater::because(RetryReason::of_refusal(refusal)))
            }
            // An earlier send may have been accepted, so this is no refusal of
            // it.
            CallOutcome::Refused(refusal) if *self.outcome_unknown_mut() => {
                Err(self.doubt(RetryReason::of_refusal(refusal), now))
            }
            CallOutcome::Refused(refusal) => {
                self.refuse(refusal, now);
                Ok(())
            }
            CallOutcome::Duplicate if progress.is_none() => {
                Err(RetryLater::because(RetryReason::NumberUsed))
            }
            CallOutcome::Duplicate => Err(self.doubt(RetryReason::NumberUsed, now)),
            CallOutcome::Unknown(reason) if matches!(progress, Some(Progress::Sending { .. })) => {
                Err(self.doubt(reason, now))
            }
            CallOutcome::Unknown(reason) => Err(RetryLater::because(reason)),
            CallOutcome::NotSeen(reason) => {
                // The process that was sending has died. A look-up that failed
                // does not show that nothing was sent.
                if matches!(progress, Some(Progress::Sending { .. })) {
                    self.doubt(RetryReason::Interrupted, now);
                }
                Err(RetryLater::because(reason))
            }
        }
    }

    /// What was being sent was certainly not sent.
    fn take_back(&mut self) {
        if let Some(Progress::Sending { since }) = self.progress() {
            // If it had been sent before, the outcome of that call is
            // still unknown.
            let is_unknown = *self.outcome_unknown_mut();
            self.set_progress(if is_unknown {
                Progress::Unknown { since, looks: 0, is_absent: false }
            } else {
                Progress::Planned
            });
        }
    }

    /// Records an unknown outcome: it is looked up at once.
    fn doubt(&mut self, reason: RetryReason, now: Timestamp) -> RetryLater {
        *self.outcome_unknown_mut() = true;
        let since = match self.progress() {
            Some(Progress::Unknown { since, .. }) => since,
            Some(Progress::Planned | Progress::Sending { .. }) | None => now,
        };
        self.set_progress(Progress::Unknown { since, looks: 0, is_absent: false });
        RetryLater { after: Some(Duration::ZERO), reason }
    }

    /// Records that a look-up did not find it.
    fn not_found(&mut self, now: Timestamp) -> RetryLater {
        let (since, looks) = match self.progress() {
            Some(Progress::Unknown { since, looks, .. }) => (since, looks + 1),
            Some(Progress::Sending { since }) => (since, 1),
            Some(Progress::Planned) | None => (now, 1),
        };
        *self.outcome_unknown_mut() = true;
        // Only the latest look-up counts: one before the quiet time was over
        // proves nothing.
        let is_absent =
            looks >= LOOKS_MIN && between(since, now) >= Duration::from_secs(QUIET_SECONDS_MIN);
        self.set_progress(Progress::Unknown { since, looks, is_absent });
        let after = Some(if is_absent { Duration::ZERO } else { LOOK_GAP });
        RetryLater { after, reason: RetryReason::NotFound { looks } }
    }
}

impl RetryReason {
    /// The reason for a refusal that does not count, because an earlier send
    /// may have been carried out.
    fn of_refusal(refusal: Refusal) -> RetryReason {
        match refusal {
            Refusal::ByPaymentSystem { said } | Refusal::NotExpressible { detail: said } => {
                RetryReason::CallFailed { said }
            }
            Refusal::Cancelled | Refusal::ByOperator => RetryReason::NotShown,
        }
    }
}

/// How many look-ups must find nothing before the request is sent again.
pub const LOOKS_MIN: u32 = 3;

/// How long after an unknown outcome the request is not sent again, in seconds:
/// a slow commit at the other system may still become visible.
pub const QUIET_SECONDS_MIN: u64 = 120;

/// The time between two look-ups that found nothing.
const LOOK_GAP: Duration = Duration::from_secs(50);

#[cfg(test)]
mod tests {
    use super::*;

    /// Metrics count outcomes by these names.
    #[test]
    fn outcomes_have_names_of_their_own() {
        let names = [
            CallOutcome::<()>::Duplicate.name(),
            CallOutcome::Created(()).name(),
            CallOutcome::Found(vec![()]).name(),
            CallOutcome::Status(()).name(),
        ];
        assert_eq!(names, ["duplicate", "created", "found", "status"]);
    }
}
