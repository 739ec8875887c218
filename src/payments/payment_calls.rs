//! How the outcomes of calls change a payment. A payment is an [`Attempt`];
//! this module has the parts that only payments have.

use std::time::Duration;

use super::attempt::{Attempt, CallOutcome, Progress, RetryLater};
use super::note::{Mismatch, Refusal, RetryReason, Superseded};
use super::payment::{Payment, PaymentState, PendingUpdate, RemotePayment, RemotePaymentStatus};
use crate::kernel::Currency;
use crate::kernel::time::between;
use crate::kernel::{Private, Timestamp, same_id};

/// The outcome of a step for a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// The outcome of a call that every attempt makes.
    Call(CallOutcome<RemotePayment>),
    /// The payment is dropped: the payment system has nothing of it.
    Dropped,
    /// The payment system has made this update.
    Updated(RemotePayment, Box<PendingUpdate>),
    /// The payment system did not make this update, and will not. The reason is
    /// `None` if this payment system cannot update payments at all.
    NotUpdated(Option<RetryReason>, Box<PendingUpdate>),
}

impl PaymentOutcome {
    /// The name of the outcome in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            PaymentOutcome::Call(outcome) => outcome.name(),
            PaymentOutcome::Dropped => "dropped",
            PaymentOutcome::Updated(..) => "altered",
            PaymentOutcome::NotUpdated(..) => "unaltered",
        }
    }
}

impl From<CallOutcome<RemotePayment>> for PaymentOutcome {
    fn from(outcome: CallOutcome<RemotePayment>) -> PaymentOutcome {
        PaymentOutcome::Call(outcome)
    }
}

/// The time before a link is first checked; [`CHECK_GAP_MAX`] is the longest
/// time between two checks. In between, a link is checked each time its age has
/// doubled: most buyers pay at once, and lost notifications are rare.
const CHECK_GAP_MIN: Duration = Duration::from_secs(600);

const CHECK_GAP_MAX: Duration = Duration::from_secs(6 * 3600);

/// How long after a link's expiry at the payment system it is checked.
const AFTER_ITS_END: Duration = Duration::from_secs(10);

impl Payment {
    /// Keeps what the payment system shows of a payment that is settled or
    /// under review.
    fn note_remote(&mut self, shown: RemotePayment) {
        let is_under_review = matches!(self.state, PaymentState::NeedsReview { .. });
        match &mut self.remote {
            Some(known) if is_under_review && same_id(&known.id, &shown.id) => *known = shown,
            Some(_) => {}
            None => self.remote = Some(shown),
        }
    }

    /// Records what a look-up shows of a payment that is not being advanced.
    /// Money that came although the payment had ended is unwanted, or needs
    /// review. A payment under review is looked up until its money comes or its
    /// time is over.
    fn record_look(&mut self, shown: RemotePayment, now: Timestamp) -> Result<(), RetryLater> {
        let had_ended =
            matches!(self.state, PaymentState::Cancelled { .. } | PaymentState::Expired { .. });
        let is_same = self.remote.as_ref().is_none_or(|known| same_id(&known.id, &shown.id));
        if had_ended && is_same && shown.has_money() {
            self.state = match (self.fits(&shown), &shown.status) {
                (Err(mismatch), _) => PaymentState::NeedsReview { at: now, mismatch },
                (Ok(()), RemotePaymentStatus::Held) => PaymentState::Held { at: now },
                (Ok(()), _) => PaymentState::Paid { at: now },
            };
            if self.was_paid() || self.is_held() {
                self.supersede(Superseded::Ended);
            }
            self.remote = Some(shown);
            return Ok(());
        }
        self.note_remote(shown);
        match (&self.state, &self.remote) {
            (PaymentState::NeedsReview { at, .. }, Some(remote)) if remote.is_payable() => {
                Err(RetryLater::waits(self.look_gap(between(*at, now), now)))
            }
            (_, _) => Ok(()),
        }
    }

    /// Records the outcome of a step. The error says what remains to be done,
    /// and when.
    pub fn take_outcome(
        &mut self,
        outcome: PaymentOutcome,
        now: Timestamp,
    ) -> Result<(), RetryLater> {
        if !self.is_live() || matches!(self.state, PaymentState::NeedsReview { .. }) {
            // A notification has settled the payment in the meantime, or it is
            // looked up although nothing more is planned for it.
            return match outcome {
                PaymentOutcome::Call(CallOutcome::Created(shown) | CallOutcome::Status(shown)) => {
                    self.record_look(shown, now)
                }
                PaymentOutcome::Call(CallOutcome::NotSeen(reason)) => {
                    Err(RetryLater::because(reason))
                }
                PaymentOutcome::Call(_)
                | PaymentOutcome::Dropped
                | PaymentOutcome::Updated(..)
                | PaymentOutcome::NotUpdated(..) => Ok(()),
            };
        }
        match outcome {
            PaymentOutcome::Call(outcome) => self.record(outcome, now),
            PaymentOutcome::Dropped => {
                self.state = match self.superseded {
                    Some(_) => PaymentState::Cancelled { at: now },
                    None => PaymentState::Expired { at: now },
                };
                Ok(())
            }
            PaymentOutcome::Updated(remote, made) => {
                self.record_update(*made);
                self.known(remote, now)
            }
            // It stays unchanged at the payment system, for the same sum. The
            // next payment of this order will have the new bill.
            PaymentOutcome::NotUpdated(_, refused) => {
                if self.pending_update.as_ref() == Some(&*refused) {
                    self.pending_update = None;
                    self.bill = refused.bill;
                }
                Err(RetryLater::waits(self.look_gap(Duration::ZERO, now)))
            }
        }
    }

    /// How long to wait before a link of this age is checked again: not long
    /// after its expiry at the payment system, if that is known.
    #[must_use]
    pub fn look_gap(&self, age: Duration, now: Timestamp) -> Duration {
        let gap = age.clamp(CHECK_GAP_MIN, CHECK_GAP_MAX);
        let end =
            self.remote.as_ref().and_then(|remote| remote.expires_at).filter(|end| *end > now);
        end.map_or(gap, |end| gap.min(between(now, end) + AFTER_ITS_END))
    }

    /// How long until it can no longer be paid at the payment system, if it has
    /// anything of it.
    #[must_use]
    pub fn until_over(&self, now: Timestamp) -> Option<Duration> {
        let remote = self.remote.as_ref()?;
        let end = remote.expires_at.unwrap_or(self.bill.expires_at);
        Some(between(now, end) + AFTER_ITS_END)
    }

    /// Records an update that the payment system has made. It need not be the
    /// latest one. If it is not, the latest is sent once more, because it is
    /// unknown which of the two arrived last.
    fn record_update(&mut self, made: PendingUpdate) {
        if self.pending_update.as_ref() == Some(&made) {
            self.pending_update = None;
            self.bill = made.bill;
        } else if self.pending_update.is_some() || self.bill != made.bill {
            let latest = self.pending_update.take();
            let turn = latest.as_ref().map_or(made.turn, |latest| latest.turn.max(made.turn)) + 1;
            let bill = latest.map_or_else(|| self.bill.clone(), |latest| latest.bill);
            self.pending_update = Some(PendingUpdate { bill, turn });
        }
    }

    /// Checks that what the payment system has is what was requested.
    pub fn fits(&self, remote: &RemotePayment) -> Result<(), Mismatch> {
        if remote.number != self.id.to_string() {
            return Err(Mismatch::Number { found: remote.number.clone() });
        }
        if !same_id(&remote.account, &self.account) {
            let (found, expected) = (remote.account.clone(), self.account.clone());
            return Err(Mismatch::Account { found, expected });
        }
        if remote.amount != self.bill.total
            || Currency::read(&remote.currency) != Some(self.bill.total.currency())
        {
            let (found, found_currency) = (remote.amount, remote.currency.clone());
            return Err(Mismatch::Amount { found, found_currency, expected: self.bill.total });
        }
        match &self.remote {
            Some(known) if !same_id(&known.id, &remote.id) => {
                Err(Mismatch::RemoteId { found: remote.id.clone(), expected: known.id.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// When to continue with a payment that waits at the payment system: after
    /// `after`, or, if it is superseded, to cancel it.
    fn wait(&self, was_known: bool, after: Duration) -> RetryLater {
        if self.superseded.is_some() {
            let after = if was_known { None } else { Some(Duration::ZERO) };
            return RetryLater { after, reason: RetryReason::ToBeCancelled };
        }
        RetryLater::waits(after)
    }
}

impl Attempt for Payment {
    type RemotePayment = RemotePayment;

    fn progress(&self) -> Option<Progress> {
        match self.state {
            PaymentState::Planned => Some(Progress::Planned),
            PaymentState::Sending { since } => Some(Progress::Sending { since }),
            PaymentState::Unknown { since, looks, is_absent } => {
                Some(Progress::Unknown { since, looks, is_absent })
            }
            PaymentState::Linked { .. }
            | PaymentState::Held { .. }
            | PaymentState::Paid { .. }
            | PaymentState::Refused { .. }
            | PaymentState::NeedsReview { .. }
            | PaymentState::Cancelled { .. }
            | PaymentState::Expired { .. } => None,
        }
    }

    fn set_progress(&mut self, progress: Progress) {
        self.state = match progress {
            Progress::Planned => PaymentState::Planned,
            Progress::Sending { since } => PaymentState::Sending { since },
            Progress::Unknown { since, looks, is_absent } => {
                PaymentState::Unknown { since, looks, is_absent }
            }
        };
    }

    fn request_mut(&mut self) -> &mut Option<Private> {
        &mut self.request
    }

    fn outcome_unknown_mut(&mut self) -> &mut bool {
        &mut self.outcome_unknown
    }

    fn is_own(&self, remote: &RemotePayment) -> bool {
        remote.number == self.id.to_string()
    }

    fn known(&mut self, remote: RemotePayment, now: Timestamp) -> Result<(), RetryLater> {
        if let Err(mismatch) = self.fits(&remote) {
            self.state = PaymentState::NeedsReview { at: now, mismatch };
            self.remote = Some(remote);
            return Ok(());
        }
        let status = remote.status.clone();
        // An answer without an address does not remove a good one.
        let url = remote.url.or_else(|| self.remote.take()?.url);
        let has_link = url.is_some();
        self.remote = Some(RemotePayment { url, ..remote });
        match status {
            RemotePaymentStatus::Held => {
                let since =
                    if let PaymentState::Held { at } = self.state { Some(at) } else { None };
                self.state = PaymentState::Held { at: since.unwrap_or(now) };
                let age = since.map_or(Duration::ZERO, |at| between(at, now));
                return Err(self.wait(since.is_some(), age.clamp(CHECK_GAP_MIN, CHECK_GAP_MAX)));
            }
            RemotePaymentStatus::Created | RemotePaymentStatus::Other(_) if !has_link => {
                // It exists and may be payable. It is looked up again once the
                // configuration has been fixed.
                self.doubt(RetryReason::NoPaymentUrl, now);
                return Err(RetryLater::because(RetryReason::NoPaymentUrl));
            }
            RemotePaymentStatus::Created | RemotePaymentStatus::Other(_) => {
                let linked_at =
                    if let PaymentState::Linked { at } = self.state { Some(at) } else { None };
                if linked_at.is_none() {
                    self.state = PaymentState::Linked { at: now };
                }
                let age = linked_at.map_or(Duration::ZERO, |at| between(at, now));
                return Err(self.wait(linked_at.is_some(), self.look_gap(age, now)));
            }
            RemotePaymentStatus::Completed => self.state = PaymentState::Paid { at: now },
            RemotePaymentStatus::Expired => self.state = PaymentState::Expired { at: now },
            RemotePaymentStatus::Canceled => self.state = PaymentState::Cancelled { at: now },
        }
        Ok(())
    }

    fn refuse(&mut self, reason: Refusal, now: Timestamp) {
        self.state = PaymentState::Refused { at: now, reason };
    }

    fn review(&mut self, mismatch: Mismatch, now: Timestamp) {
        self.state = PaymentState::NeedsReview { at: now, mismatch };
    }

    fn not_shown(&self) -> Option<RetryLater> {
        None
    }
}

#[cfg(test)]
mod tests;
