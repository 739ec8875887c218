//! What another system is asked for once: intention, call, record.
//!
//! ```text
//!            intention       call            answer or look-up
//!   wanted ──▶ planned ──▶ sending ─────────────▶ known: what it is there, its owner says
//!                 ▲          │  ▲                  refused, or to be reviewed
//!     not done    └──────────┤  │ not there: same number, same bytes
//!                            ▼  │
//!                          unknown: looked for
//! ```
//! The intention is committed before the call, with the very bytes; what the call came to, after it. A call either
//! certainly did something, or certainly not, or nobody knows: then it is looked for under its number before the same bytes
//! are sent again. A process may die at any point; whoever goes on finds how far it had come.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::note::{Mismatch, Refusal, RetryReason};
use crate::kernel::time::between;
use crate::kernel::{Private, Timestamp};

/// How far it has come, until it is known what the other system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Progress {
    /// Nothing has been sent, for certain.
    Planned,
    /// A call is under way, or was when the process died.
    Sending { since: Timestamp },
    /// Whether the other system has it is not known.
    Unknown {
        since: Timestamp,
        /// How often it was looked for and not found.
        looks: u32,
        /// It was not found when it would have had to be: it is not there.
        is_absent: bool,
    },
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextCall {
    /// The request is to be sent.
    Send,
    /// It is to be looked for.
    Look,
}

impl Progress {
    /// What is to be done next.
    #[must_use]
    pub fn next(self) -> NextCall {
        match self {
            Progress::Planned | Progress::Unknown { is_absent: true, .. } => NextCall::Send,
            // Whoever was sending is gone.
            Progress::Sending { .. } | Progress::Unknown { is_absent: false, .. } => NextCall::Look,
        }
    }
}

/// What a call came to that was about a `T` in the other system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome<T> {
    /// It was certainly not carried out, and may be tried again.
    NotDone(RetryReason),
    /// It was refused, and would be again.
    Refused(Refusal),
    /// The number has been used: an earlier call was carried out after all.
    Duplicate,
    /// It may or may not have been carried out.
    Unknown(RetryReason),
    /// It was made.
    Created(T),
    /// It could not be looked, or not be cancelled: nothing more is known than before.
    NotSeen(RetryReason),
    /// What was found under the number.
    Found(Vec<T>),
    /// What it is now.
    Status(T),
}

impl<T> CallOutcome<T> {
    /// Its name in metrics.
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

/// It is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryLater {
    /// When to go on; none for the usual growing pause.
    pub after: Option<Duration>,
    /// Why.
    pub reason: RetryReason,
}

impl RetryLater {
    /// It is as it should be, and is looked at again.
    #[must_use]
    pub fn waits(after: Duration) -> RetryLater {
        RetryLater { after: Some(after), reason: RetryReason::Waits }
    }

    /// It is tried again after the usual pause.
    #[must_use]
    pub fn because(reason: RetryReason) -> RetryLater {
        RetryLater { after: None, reason }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.reason == RetryReason::Waits
    }
}

/// Something that another system is asked for once.
pub trait Attempt {
    /// What the other system has.
    type Remote;

    /// How far it has come; none when it is known what the other system has.
    fn progress(&self) -> Option<Progress>;

    /// It has come so far.
    fn set_progress(&mut self, progress: Progress);

    /// The request as it was sent first.
    fn request_mut(&mut self) -> &mut Option<Private>;

    /// A call has ended so that it may have been carried out.
    fn outcome_unknown_mut(&mut self) -> &mut bool;

    /// Whether something that was found is this: by its number.
    fn is_own(&self, remote: &Self::Remote) -> bool;

    /// The other system has it.
    fn known(&mut self, remote: Self::Remote, now: Timestamp) -> Result<(), RetryLater>;

    /// The other system will not have it.
    fn refuse(&mut self, refusal: Refusal, now: Timestamp);

    /// The other system has something else: a person decides.
    fn review(&mut self, mismatch: Mismatch, now: Timestamp);

    /// It was known, and a look does not find it. None if that is as for one that was never found.
    fn not_shown(&self) -> Option<RetryLater>;

    /// The request is about to be sent: what is written before the call, so that its outcome cannot be lost with the
    /// process. The bytes of the first attempt stay.
    fn sends(&mut self, request: Private, now: Timestamp) {
        self.request_mut().get_or_insert(request);
        if matches!(self.progress(), Some(Progress::Unknown { is_absent: true, .. })) {
            *self.outcome_unknown_mut() = false; // what was sent before did not arrive
        }
        self.set_progress(Progress::Sending { since: now });
    }

    /// Takes in what a call came to. The error says what is left to do, and when.
    fn record(&mut self, outcome: CallOutcome<Self::Remote>, now: Timestamp) -> Result<(), RetryLater> {
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
                if let Some(Progress::Sending { since }) = progress {
                    // If it had been sent before, that is still not known.
                    let is_unknown = *self.outcome_unknown_mut();
                    self.set_progress(if is_unknown {
                        Progress::Unknown { since, looks: 0, is_absent: false }
                    } else {
                        Progress::Planned
                    });
                }
                Err(RetryLater::because(reason))
            }
            // Of what is known it says no more than that a call went wrong.
            CallOutcome::Refused(refusal) if progress.is_none() => {
                Err(RetryLater::because(RetryReason::of_refusal(refusal)))
            }
            // When an earlier send may have been taken in, this is no refusal of it.
            CallOutcome::Refused(refusal) if *self.outcome_unknown_mut() => {
                Err(self.doubt(RetryReason::of_refusal(refusal), now))
            }
            CallOutcome::Refused(refusal) => {
                self.refuse(refusal, now);
                Ok(())
            }
            CallOutcome::Duplicate if progress.is_none() => Err(RetryLater::because(RetryReason::NumberUsed)),
            CallOutcome::Duplicate => Err(self.doubt(RetryReason::NumberUsed, now)),
            CallOutcome::Unknown(reason) if matches!(progress, Some(Progress::Sending { .. })) => {
                Err(self.doubt(reason, now))
            }
            CallOutcome::Unknown(reason) => Err(RetryLater::because(reason)),
            CallOutcome::NotSeen(reason) => {
                // Whoever was sending has died: what it sent is not disproved by a look that failed.
                if matches!(progress, Some(Progress::Sending { .. })) {
                    self.doubt(RetryReason::Interrupted, now);
                }
                Err(RetryLater::because(reason))
            }
        }
    }

    /// Whether the other system has it is not known: it is looked for at once.
    fn doubt(&mut self, reason: RetryReason, now: Timestamp) -> RetryLater {
        *self.outcome_unknown_mut() = true;
        let since = match self.progress() {
            Some(Progress::Unknown { since, .. }) => since,
            Some(Progress::Planned | Progress::Sending { .. }) | None => now,
        };
        self.set_progress(Progress::Unknown { since, looks: 0, is_absent: false });
        RetryLater { after: Some(Duration::ZERO), reason }
    }

    /// It was looked for and not found.
    fn not_found(&mut self, now: Timestamp) -> RetryLater {
        let (since, looks) = match self.progress() {
            Some(Progress::Unknown { since, looks, .. }) => (since, looks + 1),
            Some(Progress::Sending { since }) => (since, 1),
            Some(Progress::Planned) | None => (now, 1),
        };
        *self.outcome_unknown_mut() = true;
        // The latest look counts: one before the time was over proves nothing later.
        let is_absent = looks >= LOOKS_MIN && between(since, now) >= Duration::from_secs(QUIET_SECONDS_MIN);
        self.set_progress(Progress::Unknown { since, looks, is_absent });
        let after = Some(if is_absent { Duration::ZERO } else { LOOK_GAP });
        RetryLater { after, reason: RetryReason::NotFound { looks } }
    }
}

impl RetryReason {
    /// A refusal that is none, because of what had been sent before.
    fn of_refusal(refusal: Refusal) -> RetryReason {
        match refusal {
            Refusal::ByPaymentSystem { said } | Refusal::NotExpressible { detail: said } => {
                RetryReason::CallFailed { said }
            }
            Refusal::Cancelled | Refusal::ByOperator => RetryReason::NotShown,
        }
    }
}

/// How often nothing must be found before the request is sent again.
pub const LOOKS_MIN: u32 = 3;

/// How long after an unknown outcome the request is not sent again, in seconds: a slow commit over there may still become
/// visible.
pub const QUIET_SECONDS_MIN: u64 = 120;

/// Between two looks that found nothing.
const LOOK_GAP: Duration = Duration::from_secs(50);

#[cfg(test)]
mod tests {
    use super::*;

    /// Metrics count outcomes by their names.
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
