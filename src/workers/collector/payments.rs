//! Payments, one step a task.

use crate::payments::WATCH_LANE;
use std::time::Duration;

use super::{Collector, LEASE, not_called, settlement};
use crate::flows::alias::remember;
use crate::flows::checkout_of;
use crate::flows::tend_payment::{self, Intention, note_sending};
use crate::gateway::{Addresses, Failure, Provider};
use crate::kernel::time::between;
use crate::kernel::{PartyName, Private, Timestamp};
use crate::outbox::{Claimed, Delivery, Settlement, Ticket};
use crate::payments::{
    CallOutcome, Checkout, Payment, PaymentId, PaymentOutcome, Purpose, Refusal, Remote, RemoteStatus,
    RetryLater, RetryReason, Step,
};
use crate::store::{CommitError, Unavailable};
use crate::telemetry::metrics;
use crate::views::buyers_address;
use crate::workers::attempts::{AttemptStep, Stepped};
use crate::workers::persistence::persist;

/// A payment system that could not be told for so long what else is said of a payment is not told any more: a person hears of
/// it.
const ALTERING_MAX: Duration = Duration::from_secs(3600);

/// What is next for a payment.
pub(super) struct PaymentStep<'a> {
    pub collector: &'a Collector,
    pub claimed: &'a Claimed,
    pub id: PaymentId,
    /// The payment system is to be told what else is said of it.
    pub alters: bool,
}

impl AttemptStep for PaymentStep<'_> {
    type Outcome = PaymentOutcome;

    async fn step(&self) -> Result<Option<Stepped<PaymentOutcome>>, Unavailable> {
        let Claimed { delivery, at, .. } = self.claimed;
        self.collector.step(delivery, *at, self.id, self.alters).await
    }

    async fn record(
        &self,
        ticket: Ticket,
        stepped: &Stepped<PaymentOutcome>,
    ) -> Result<Settlement, CommitError> {
        let settle = |again: Option<&RetryLater>| {
            // The looks go on by themselves.
            let again = again.filter(|again| !self.alters || !again.is_waiting());
            settlement(self.claimed, stepped, again)
        };
        let shop = &self.collector.shop;
        tend_payment::record(shop, self.id, ticket, stepped.outcome.as_ref(), &settle).await
    }
}

impl Collector {
    /// Does what is next for a payment. None if it changed meanwhile.
    pub(super) async fn step(
        &self,
        delivery: &Delivery,
        claimed_at: Timestamp,
        id: PaymentId,
        alters: bool,
    ) -> Result<Option<Stepped<PaymentOutcome>>, Unavailable> {
        let Some(checkout) = checkout_of(&self.shop, id.number).await? else {
            return Ok(Some(Stepped::by_itself(None)));
        };
        let found = checkout.payments.iter().find(|payment| payment.id == id);
        let Some(payment) = found else { return Ok(Some(Stepped::by_itself(None))) };
        // A link is looked at in its own lane, so that what is urgent never waits behind it.
        let now = self.shop.clock.now();
        let step = match (payment.step(now), delivery.lane == WATCH_LANE) {
            (Step::Alter, _) if alters => Step::Alter,
            (_, _) if alters => Step::Rest,
            // There is a task for altering it.
            (Step::Check | Step::Alter, _) => Step::Check,
            (_, true) => Step::Rest,
            (step, _) => step,
        };
        if step == Step::Check && checkout.is_being_captured(payment.id) {
            let stepped = Stepped::by_itself(Some(not_called(false, RetryReason::BeingCaptured).into()));
            return Ok(Some(Stepped { is_linked: true, ..stepped }));
        }
        match step {
            Step::Rest => return Ok(Some(Stepped::by_itself(None))),
            Step::Drop => return Ok(Some(Stepped::by_itself(Some(PaymentOutcome::Dropped)))),
            Step::Send | Step::Look | Step::Check | Step::Alter | Step::Cancel => {}
        }
        let Some(provider) = self.gateways.get(&checkout.gateway) else {
            let reason = RetryReason::NotConfigured { gateway: checkout.gateway.clone() };
            return Ok(Some(Stepped::by_itself(Some(not_called(step == Step::Send, reason).into()))));
        };
        // A look proves who we are first; altering and calling off see how it stands.
        let (calls, purpose) = match step {
            Step::Send => (1, Purpose::Make),
            Step::Alter => (2, Purpose::Make),
            Step::Check if payment.remote.is_some() => (1, Purpose::Look),
            Step::Look | Step::Check | Step::Cancel | Step::Rest | Step::Drop => (2, Purpose::Look),
        };
        if let Err(not_now) = self.may_call(&checkout.gateway, &**provider, calls, purpose).await? {
            let is_linked = matches!(step, Step::Check | Step::Alter | Step::Cancel);
            return Ok(Some(not_now.stepped(step == Step::Send, is_linked)));
        }
        let outcome = match step {
            Step::Send => match self.send(&**provider, &checkout, payment).await? {
                Some(outcome) => outcome,
                None => return Ok(None),
            },
            Step::Alter => {
                let age = delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, claimed_at));
                self.alter(&**provider, &checkout.gateway, payment, age).await
            }
            Step::Look | Step::Check | Step::Cancel => {
                self.begins(&checkout.gateway);
                let outcome = look(&**provider, payment, step).await;
                self.heard(&checkout.gateway, &outcome);
                outcome
            }
            Step::Rest | Step::Drop => return Ok(None),
        };
        let mut wish = None;
        let outcome: PaymentOutcome = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                wish = self.hear(&checkout, &**provider, &failure);
                if step == Step::Send { failure.meaning() } else { CallOutcome::NotSeen(failure.reason()) }
                    .into()
            }
        };
        metrics::payment_call(checkout.gateway.as_str(), outcome.name());
        if payment.remote.is_none() {
            for remote in named_by(&outcome, &payment.id.to_string()) {
                // The call was made: what it came to must not be lost.
                let known = || remember(&self.shop, &checkout.gateway, &remote.id, payment.id.number);
                persist(LEASE / 4, known).await?;
            }
        }
        let is_linked = matches!(step, Step::Check | Step::Alter | Step::Cancel);
        Ok(Some(Stepped { outcome: Some(outcome), wish, is_for_all: true, is_linked }))
    }

    pub(super) async fn send(
        &self,
        provider: &dyn Provider,
        checkout: &Checkout,
        payment: &Payment,
    ) -> Result<Option<Result<PaymentOutcome, Failure>>, Unavailable> {
        let request = match payment.request.clone() {
            Some(request) => request,
            None => match provider.freeze(payment.id, &payment.bill, &self.addresses(checkout)) {
                Ok(request) => Private::new(request),
                Err(detail) => {
                    let refused = CallOutcome::Refused(Refusal::NotExpressible { detail });
                    return Ok(Some(Ok(refused.into())));
                }
            },
        };
        let intention = Intention::default();
        let note = || note_sending(&self.shop, payment, request.clone(), &intention);
        let Some(bytes) = persist(LEASE / 4, note).await? else { return Ok(None) };
        self.begins(&checkout.gateway);
        let outcome = provider.create(bytes.expose()).await.map(CallOutcome::Created);
        self.heard(&checkout.gateway, &outcome);
        Ok(Some(outcome.map(PaymentOutcome::from)))
    }

    /// Sees where an order stands and alters it while it waits for its buyer. What is told is the same every time, so it may be
    /// told again when an answer was lost; when it has been in vain for [`ALTERING_MAX`], it is not told any more.
    pub(super) async fn alter(
        &self,
        provider: &dyn Provider,
        gateway: &PartyName,
        payment: &Payment,
        age: Duration,
    ) -> Result<PaymentOutcome, Failure> {
        let (Some(remote), Some(alteration)) = (&payment.remote, &payment.alteration) else {
            return Ok(not_called(false, RetryReason::NoRemoteId).into());
        };
        self.begins(gateway);
        let stands = provider.read(&remote.id).await;
        self.heard(gateway, &stands);
        let (bill, told) = (&alteration.bill, Box::new(alteration.clone()));
        let stands = stands?;
        let reason = match &stands.status {
            RemoteStatus::Created => {
                let Some(call) = provider.alter(&remote.id, bill) else {
                    return Ok(PaymentOutcome::Unaltered(None, told));
                };
                self.begins(gateway);
                let altered = call.await;
                self.heard(gateway, &altered);
                match altered {
                    Ok(altered) => {
                        let until = |at: Timestamp| at.as_second();
                        let took_over =
                            altered.expires_at.is_none_or(|at| until(at) == until(bill.expires_at));
                        return Ok(if took_over {
                            PaymentOutcome::Altered(altered, told)
                        } else {
                            PaymentOutcome::Unaltered(Some(RetryReason::OtherExpiry), told)
                        });
                    }
                    Err(Failure::Refused(said)) => {
                        let reason = RetryReason::CallFailed { said };
                        return Ok(PaymentOutcome::Unaltered(Some(reason), told));
                    }
                    Err(failure) if age < ALTERING_MAX => return Err(failure),
                    Err(failure) => failure.reason(),
                }
            }
            RemoteStatus::Other(status) => {
                let reason = RetryReason::Status { status: status.clone() };
                if age < ALTERING_MAX {
                    return Ok(not_called(false, reason).into());
                }
                reason
            }
            RemoteStatus::Held | RemoteStatus::Completed | RemoteStatus::Expired | RemoteStatus::Canceled => {
                return Ok(CallOutcome::Status(stands).into());
            }
        };
        Ok(PaymentOutcome::Unaltered(Some(reason), told))
    }

    pub(super) fn addresses(&self, checkout: &Checkout) -> Addresses {
        let url = &self.shop.public_url;
        let back = buyers_address(url, "return", checkout);
        Addresses {
            success: back.clone(),
            fail: format!("{back}?from=fail"),
            back: format!("{back}?from=back"),
            notice: format!("{url}/hooks/{}", checkout.gateway),
        }
    }
}

/// The orders of the payment system that an outcome names under a number of ours.
fn named_by<'a>(outcome: &'a PaymentOutcome, number: &str) -> impl Iterator<Item = &'a Remote> {
    let remotes: &[Remote] = match outcome {
        PaymentOutcome::Call(CallOutcome::Created(remote) | CallOutcome::Status(remote))
        | PaymentOutcome::Altered(remote, _) => std::slice::from_ref(remote),
        PaymentOutcome::Call(CallOutcome::Found(remotes)) => remotes,
        PaymentOutcome::Call(
            CallOutcome::NotDone(_)
            | CallOutcome::Refused(_)
            | CallOutcome::Duplicate
            | CallOutcome::Unknown(_)
            | CallOutcome::NotSeen(_),
        )
        | PaymentOutcome::Dropped
        | PaymentOutcome::Unaltered(..) => &[],
    };
    remotes.iter().filter(move |remote| remote.number == number)
}

/// Sees what a payment is, and cancels it if that is the step.
async fn look(provider: &dyn Provider, payment: &Payment, step: Step) -> Result<PaymentOutcome, Failure> {
    let outcome = match (&payment.remote, step) {
        (Some(remote), Step::Cancel) => cancel(provider, &remote.id).await.map(CallOutcome::Status),
        (Some(remote), Step::Check) => provider.read(&remote.id).await.map(CallOutcome::Status),
        (_, _) => provider.find(payment.id, payment.created_at).await.map(CallOutcome::Found),
    };
    outcome.map(PaymentOutcome::from)
}

/// Sees what an order is and cancels it if it can still be paid: cancelling a paid one could move money.
async fn cancel(provider: &dyn Provider, remote_id: &str) -> Result<Remote, Failure> {
    let remote = provider.read(remote_id).await?;
    match remote.status {
        RemoteStatus::Created | RemoteStatus::Held => provider.cancel(remote_id).await,
        RemoteStatus::Completed | RemoteStatus::Expired | RemoteStatus::Canceled | RemoteStatus::Other(_) => {
            Ok(remote)
        }
    }
}
