//! What calls about a payment come to: an [`Attempt`] like any other, and what is the payment's own.

use std::time::Duration;

use super::attempt::{Attempt, CallOutcome, Progress, RetryLater};
use super::note::{Mismatch, Refusal, RetryReason};
use super::payment::{Alteration, Payment, PaymentState, Remote, RemoteStatus};
use crate::kernel::Currency;
use crate::kernel::time::between;
use crate::kernel::{Private, Timestamp, same_id};

/// What a step for a payment came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// A call that any attempt makes.
    Call(CallOutcome<Remote>),
    /// It is let go: nothing of it is at the payment system.
    Dropped,
    /// It was altered to that.
    Altered(Remote, Box<Alteration>),
    /// It was not altered to that, and will not be: why not, where others can be.
    Unaltered(Option<RetryReason>, Box<Alteration>),
}

impl PaymentOutcome {
    /// Its name in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            PaymentOutcome::Call(outcome) => outcome.name(),
            PaymentOutcome::Dropped => "dropped",
            PaymentOutcome::Altered(..) => "altered",
            PaymentOutcome::Unaltered(..) => "unaltered",
        }
    }
}

impl From<CallOutcome<Remote>> for PaymentOutcome {
    fn from(outcome: CallOutcome<Remote>) -> PaymentOutcome {
        PaymentOutcome::Call(outcome)
    }
}

/// Before a link is first looked at, and at most between two looks. In between it is looked at whenever it has become
/// twice as old: most buyers pay at once, and lost notifications are rare.
const CHECK_GAP_MIN: Duration = Duration::from_secs(600);

const CHECK_GAP_MAX: Duration = Duration::from_secs(6 * 3600);

/// After a link has ended over there, before that is looked at.
const AFTER_ITS_END: Duration = Duration::from_secs(10);

impl Payment {
    /// Takes in what a step came to. The error says what is left to do, and when.
    pub fn take_outcome(&mut self, outcome: PaymentOutcome, now: Timestamp) -> Result<(), RetryLater> {
        if !self.is_live() || matches!(self.state, PaymentState::Frozen { .. }) {
            // It has been settled meanwhile, by a notification.
            if let PaymentOutcome::Call(CallOutcome::Created(remote) | CallOutcome::Status(remote)) = outcome
            {
                self.remote.get_or_insert(remote);
            }
            return Ok(());
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
            PaymentOutcome::Altered(remote, told) => {
                self.was_told(*told);
                self.known(remote, now)
            }
            // It goes on as it is over there, for the same sum; the next one for this order will be as it should.
            PaymentOutcome::Unaltered(_, refused) => {
                if self.alteration.as_ref() == Some(&*refused) {
                    self.alteration = None;
                    self.bill = refused.bill;
                }
                Err(RetryLater::waits(self.look_gap(Duration::ZERO, now)))
            }
        }
    }

    /// Before a link that is so old is looked at again: not long after its end over there, if that is known.
    #[must_use]
    pub fn look_gap(&self, age: Duration, now: Timestamp) -> Duration {
        let gap = age.clamp(CHECK_GAP_MIN, CHECK_GAP_MAX);
        let end = self.remote.as_ref().and_then(|remote| remote.expires_at).filter(|end| *end > now);
        end.map_or(gap, |end| gap.min(between(now, end) + AFTER_ITS_END))
    }

    /// The payment system was told something, which need not be the latest that is to be said: then that is told once more, as
    /// nobody knows which arrived last.
    fn was_told(&mut self, told: Alteration) {
        if self.alteration.as_ref() == Some(&told) {
            self.alteration = None;
            self.bill = told.bill;
        } else if self.alteration.is_some() || self.bill != told.bill {
            let latest = self.alteration.take();
            let turn = latest.as_ref().map_or(told.turn, |latest| latest.turn.max(told.turn)) + 1;
            let bill = latest.map_or_else(|| self.bill.clone(), |latest| latest.bill);
            self.alteration = Some(Alteration { bill, turn });
        }
    }

    /// Whether what the payment system has is what we asked for.
    pub fn fits(&self, remote: &Remote) -> Result<(), Mismatch> {
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

    /// It waits at the payment system, where it is looked at again after `after`, or is to be cancelled.
    fn wait(&self, was_known: bool, after: Duration) -> RetryLater {
        if self.superseded.is_some() {
            let after = if was_known { None } else { Some(Duration::ZERO) };
            return RetryLater { after, reason: RetryReason::ToBeCancelled };
        }
        RetryLater::waits(after)
    }
}

impl Attempt for Payment {
    type Remote = Remote;

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
            | PaymentState::Frozen { .. }
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

    fn is_own(&self, remote: &Remote) -> bool {
        remote.number == self.id.to_string()
    }

    fn known(&mut self, remote: Remote, now: Timestamp) -> Result<(), RetryLater> {
        if let Err(mismatch) = self.fits(&remote) {
            self.state = PaymentState::Frozen { at: now, mismatch };
            self.remote = Some(remote);
            return Ok(());
        }
        let status = remote.status.clone();
        // An answer without an address takes none away that was good before.
        let url = remote.url.or_else(|| self.remote.take()?.url);
        let has_link = url.is_some();
        self.remote = Some(Remote { url, ..remote });
        match status {
            RemoteStatus::Held => {
                let since = if let PaymentState::Held { at } = self.state { Some(at) } else { None };
                self.state = PaymentState::Held { at: since.unwrap_or(now) };
                let age = since.map_or(Duration::ZERO, |at| between(at, now));
                return Err(self.wait(since.is_some(), age.clamp(CHECK_GAP_MIN, CHECK_GAP_MAX)));
            }
            RemoteStatus::Created | RemoteStatus::Other(_) if !has_link => {
                // It is there, and may be payable: looked at again when the configuration has been mended.
                self.doubt(RetryReason::NoPaymentUrl, now);
                return Err(RetryLater::because(RetryReason::NoPaymentUrl));
            }
            RemoteStatus::Created | RemoteStatus::Other(_) => {
                let linked_at = if let PaymentState::Linked { at } = self.state { Some(at) } else { None };
                if linked_at.is_none() {
                    self.state = PaymentState::Linked { at: now };
                }
                let age = linked_at.map_or(Duration::ZERO, |at| between(at, now));
                return Err(self.wait(linked_at.is_some(), self.look_gap(age, now)));
            }
            RemoteStatus::Completed => self.state = PaymentState::Paid { at: now },
            RemoteStatus::Expired => self.state = PaymentState::Expired { at: now },
            RemoteStatus::Canceled => self.state = PaymentState::Cancelled { at: now },
        }
        Ok(())
    }

    fn refuse(&mut self, reason: Refusal, now: Timestamp) {
        self.state = PaymentState::Refused { at: now, reason };
    }

    fn review(&mut self, mismatch: Mismatch, now: Timestamp) {
        self.state = PaymentState::Frozen { at: now, mismatch };
    }

    fn not_shown(&self) -> Option<RetryLater> {
        None
    }
}

#[cfg(test)]
mod tests;
