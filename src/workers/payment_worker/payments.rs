//! Advances payments, one step per task.

use crate::payments::WATCH_LANE;
use std::time::Duration;

use super::{LEASE, PaymentWorker, not_called, settlement};
use crate::flows::advance_payment::{self, Intention, note_sending};
use crate::flows::alias::remember;
use crate::flows::checkout_of;
use crate::gateway::{Addresses, Failure, Provider};
use crate::kernel::time::between;
use crate::kernel::{PartyName, Private, Timestamp};
use crate::outbox::{Claimed, Delivery, Settlement, Ticket};
use crate::payments::{
    CallOutcome, Checkout, Payment, PaymentId, PaymentOutcome, Purpose, Refusal, RemotePayment,
    RemotePaymentStatus, RetryLater, RetryReason, Step,
};
use crate::store::persistence::persist;
use crate::store::{CommitError, Unavailable};
use crate::telemetry::metrics;
use crate::views::buyers_address;
use crate::workers::attempts::{AttemptStep, StepResult};

/// For how long an update of a payment is retried. After that the worker gives
/// it up and flags the order for a person.
const ALTERING_MAX: Duration = Duration::from_secs(3600);

/// One step of a payment.
pub(super) struct PaymentStep<'a> {
    pub payment_worker: &'a PaymentWorker,
    pub claimed: &'a Claimed,
    pub id: PaymentId,
    pub aim: Aim,
}

/// What a task is to do with a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// Whatever comes next.
    Advance,
    /// Send the pending update to the payment system.
    Update,
    /// Only look it up.
    Look,
}

impl AttemptStep for PaymentStep<'_> {
    type Outcome = PaymentOutcome;

    async fn step(&self) -> Result<Option<StepResult<PaymentOutcome>>, Unavailable> {
        let Claimed { delivery, at, .. } = self.claimed;
        self.payment_worker.step(delivery, *at, self.id, self.aim).await
    }

    async fn record(
        &self,
        ticket: Ticket,
        stepped: &StepResult<PaymentOutcome>,
    ) -> Result<Settlement, CommitError> {
        let settle = |again: Option<&RetryLater>| {
            // The watch task keeps polling on its own.
            let is_watch = match self.aim {
                Aim::Advance => true,
                Aim::Update => false,
                Aim::Look => self.claimed.delivery.lane == WATCH_LANE,
            };
            let again = again.filter(|again| is_watch || !again.is_waiting());
            settlement(self.claimed, stepped, again)
        };
        let services = &self.payment_worker.services;
        advance_payment::record(services, self.id, ticket, stepped.outcome.as_ref(), &settle).await
    }
}

impl PaymentWorker {
    /// Performs the next step of a payment. Returns `None` if the payment
    /// changed in the meantime.
    pub(super) async fn step(
        &self,
        delivery: &Delivery,
        claimed_at: Timestamp,
        id: PaymentId,
        aim: Aim,
    ) -> Result<Option<StepResult<PaymentOutcome>>, Unavailable> {
        let Some(checkout) = checkout_of(&self.services, id.number).await? else {
            return Ok(Some(StepResult::by_itself(None)));
        };
        let found = checkout.payment(id);
        let Some(payment) = found else { return Ok(Some(StepResult::by_itself(None))) };
        // Links are polled in their own lane, so that urgent work never waits
        // behind them.
        let now = self.services.clock.now();
        let step = match (aim, payment.step(now)) {
            (Aim::Update, Step::Update) => Step::Update,
            (Aim::Update, _) => Step::Rest,
            // A separate task sends the update.
            (Aim::Advance | Aim::Look, Step::Check | Step::Update) => Step::Check,
            (Aim::Look, Step::Rest) if payment.may_have_changed() => Step::Check,
            (Aim::Look, _) => Step::Rest,
            (Aim::Advance, _) if delivery.lane == WATCH_LANE => Step::Rest,
            (Aim::Advance, step) => step,
        };
        if step == Step::Check && checkout.is_being_captured(payment.id) {
            let stepped =
                StepResult::by_itself(Some(not_called(false, RetryReason::BeingCaptured).into()));
            return Ok(Some(StepResult { is_linked: true, ..stepped }));
        }
        match step {
            Step::Rest => return Ok(Some(StepResult::by_itself(None))),
            Step::Drop => return Ok(Some(StepResult::by_itself(Some(PaymentOutcome::Dropped)))),
            Step::Send | Step::Look | Step::Check | Step::Update | Step::Cancel => {}
        }
        let Some(provider) = self.gateways.get(&checkout.gateway) else {
            let reason = RetryReason::NotConfigured { gateway: checkout.gateway.clone() };
            return Ok(Some(StepResult::by_itself(Some(
                not_called(step == Step::Send, reason).into(),
            ))));
        };
        // A look-up authenticates first; an update or a cancellation reads the
        // status first.
        let (calls, purpose) = match step {
            Step::Send => (1, Purpose::Make),
            Step::Update => (2, Purpose::Make),
            Step::Check if payment.remote.is_some() => (1, Purpose::Look),
            Step::Look | Step::Check | Step::Cancel | Step::Rest | Step::Drop => (2, Purpose::Look),
        };
        if let Err(not_now) =
            self.may_call(delivery, &checkout.gateway, &**provider, calls, purpose).await?
        {
            let is_linked = matches!(step, Step::Check | Step::Update | Step::Cancel);
            return Ok(Some(not_now.stepped(step == Step::Send, is_linked)));
        }
        let outcome = match step {
            Step::Send => match self.send(&**provider, &checkout, payment).await? {
                Some(outcome) => outcome,
                None => return Ok(None),
            },
            Step::Update => {
                let age = delivery
                    .first_failed_at
                    .map_or(Duration::ZERO, |first| between(first, claimed_at));
                self.update(&**provider, &checkout.gateway, payment, age).await
            }
            Step::Look | Step::Check | Step::Cancel => {
                self.call(&checkout.gateway, look(&**provider, payment, step)).await
            }
            Step::Rest | Step::Drop => return Ok(None),
        };
        let mut retry_after = None;
        let outcome: PaymentOutcome = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                retry_after = self.note_failure(&checkout, &**provider, &failure);
                if step == Step::Send {
                    failure.meaning()
                } else {
                    CallOutcome::NotSeen(failure.reason())
                }
                .into()
            }
        };
        metrics::payment_call(checkout.gateway.as_str(), outcome.name());
        if payment.remote.is_none() {
            for remote in named_by(&outcome, &payment.id.to_string()) {
                // The call was made: its outcome must not be lost.
                let known =
                    || remember(&self.services, &checkout.gateway, &remote.id, payment.id.number);
                persist(LEASE / 4, known).await?;
            }
        }
        let is_linked = matches!(step, Step::Check | Step::Update | Step::Cancel);
        Ok(Some(StepResult { outcome: Some(outcome), retry_after, is_for_all: true, is_linked }))
    }

    pub(super) async fn send(
        &self,
        provider: &dyn Provider,
        checkout: &Checkout,
        payment: &Payment,
    ) -> Result<Option<Result<PaymentOutcome, Failure>>, Unavailable> {
        let request = match payment.request.clone() {
            Some(request) => request,
            None => {
                match provider.build_request(payment.id, &payment.bill, &self.addresses(checkout)) {
                    Ok(request) => Private::new(request),
                    Err(detail) => {
                        let refused = CallOutcome::Refused(Refusal::NotExpressible { detail });
                        return Ok(Some(Ok(refused.into())));
                    }
                }
            }
        };
        let intention = Intention::default();
        let note = || note_sending(&self.services, payment, request.clone(), &intention);
        let Some(bytes) = persist(LEASE / 4, note).await? else { return Ok(None) };
        let outcome = self
            .call(&checkout.gateway, provider.create(bytes.expose()))
            .await
            .map(CallOutcome::Created);
        Ok(Some(outcome.map(PaymentOutcome::from)))
    }

    /// Reads the status of the remote payment, and updates it while it waits
    /// for its buyer. The request is the same every time, so it may be repeated
    /// when an answer was lost. After [`ALTERING_MAX`] of failures it is not
    /// repeated any more.
    pub(super) async fn update(
        &self,
        provider: &dyn Provider,
        gateway: &PartyName,
        payment: &Payment,
        age: Duration,
    ) -> Result<PaymentOutcome, Failure> {
        let (Some(remote), Some(pending_update)) = (&payment.remote, &payment.pending_update)
        else {
            return Ok(not_called(false, RetryReason::NoRemoteId).into());
        };
        let current = self.call(gateway, provider.read(&remote.id)).await;
        let (bill, sent) = (&pending_update.bill, Box::new(pending_update.clone()));
        let current = current?;
        let reason = match &current.status {
            RemotePaymentStatus::Created => {
                let Some(call) = provider.update(&remote.id, bill) else {
                    return Ok(PaymentOutcome::NotUpdated(None, sent));
                };
                let updated = self.call(gateway, call).await;
                match updated {
                    Ok(updated) => {
                        let until = |at: Timestamp| at.as_second();
                        let took_over =
                            updated.expires_at.is_none_or(|at| until(at) == until(bill.expires_at));
                        return Ok(if took_over {
                            PaymentOutcome::Updated(updated, sent)
                        } else {
                            PaymentOutcome::NotUpdated(Some(RetryReason::OtherExpiry), sent)
                        });
                    }
                    Err(Failure::Refused(said)) => {
                        let reason = RetryReason::CallFailed { said };
                        return Ok(PaymentOutcome::NotUpdated(Some(reason), sent));
                    }
                    Err(failure) if age < ALTERING_MAX => return Err(failure),
                    Err(failure) => failure.reason(),
                }
            }
            RemotePaymentStatus::Other(status) => {
                let reason = RetryReason::Status { status: status.clone() };
                if age < ALTERING_MAX {
                    return Ok(not_called(false, reason).into());
                }
                reason
            }
            RemotePaymentStatus::Held
            | RemotePaymentStatus::Completed
            | RemotePaymentStatus::Expired
            | RemotePaymentStatus::Canceled => {
                return Ok(CallOutcome::Status(current).into());
            }
        };
        Ok(PaymentOutcome::NotUpdated(Some(reason), sent))
    }

    pub(super) fn addresses(&self, checkout: &Checkout) -> Addresses {
        let url = &self.services.public_url;
        let back = buyers_address(url, "return", checkout);
        Addresses {
            success: back.clone(),
            fail: format!("{back}?from=fail"),
            back: format!("{back}?from=back"),
            notification: format!("{url}/hooks/{}", checkout.gateway),
        }
    }
}

/// The remote payments in an outcome that bear the given number of ours.
fn named_by<'a>(
    outcome: &'a PaymentOutcome,
    number: &str,
) -> impl Iterator<Item = &'a RemotePayment> {
    let remotes: &[RemotePayment] = match outcome {
        PaymentOutcome::Call(CallOutcome::Created(remote) | CallOutcome::Status(remote))
        | PaymentOutcome::Updated(remote, _) => std::slice::from_ref(remote),
        PaymentOutcome::Call(CallOutcome::Found(remotes)) => remotes,
        PaymentOutcome::Call(
            CallOutcome::NotDone(_)
            | CallOutcome::Refused(_)
            | CallOutcome::Duplicate
            | CallOutcome::Unknown(_)
            | CallOutcome::NotSeen(_),
        )
        | PaymentOutcome::Dropped
        | PaymentOutcome::NotUpdated(..) => &[],
    };
    remotes.iter().filter(move |remote| remote.number == number)
}

/// Looks up a payment, or cancels it if that is the step.
async fn look(
    provider: &dyn Provider,
    payment: &Payment,
    step: Step,
) -> Result<PaymentOutcome, Failure> {
    let outcome = match (&payment.remote, step) {
        (Some(remote), Step::Cancel) => cancel(provider, &remote.id).await.map(CallOutcome::Status),
        (Some(remote), Step::Check) => provider.read(&remote.id).await.map(CallOutcome::Status),
        (_, _) => provider.find(payment.id, payment.created_at).await.map(CallOutcome::Found),
    };
    outcome.map(PaymentOutcome::from)
}

/// Reads the status of a payment and cancels it only while it is unpaid or
/// held: cancelling a completed one could move money.
async fn cancel(provider: &dyn Provider, remote_id: &str) -> Result<RemotePayment, Failure> {
    let remote = provider.read(remote_id).await?;
    match remote.status {
        RemotePaymentStatus::Created | RemotePaymentStatus::Held => {
            provider.cancel(remote_id).await
        }
        RemotePaymentStatus::Completed
        | RemotePaymentStatus::Expired
        | RemotePaymentStatus::Canceled
        | RemotePaymentStatus::Other(_) => Ok(remote),
    }
}
