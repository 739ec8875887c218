//! Refunds and shipments, one step a task, like payments.

use super::{Collector, LEASE, not_called, settlement};
use crate::flows::tend_operation::{self, note_sending};
use crate::flows::tend_payment::Intention;
use crate::flows::{checkout_of, outside_refund};
use crate::gateway::{Failure, Provider};
use crate::kernel::{PartyName, Private};
use crate::outbox::{Claimed, Lane, Settlement, Ticket};
use crate::payments::WATCH_LANE;
use crate::payments::{
    Bill, CallOutcome, Operation, OperationId, OperationStep as NextOperation, Payment, PaymentId, Purpose,
    Refusal, RemoteOperation, RetryLater, RetryReason,
};
use crate::store::{CommitError, Unavailable};
use crate::telemetry::metrics;
use crate::workers::attempts::{AttemptStep, Stepped};
use crate::workers::persistence::persist;

/// What is next for an operation.
pub(super) struct OperationStep<'a> {
    pub collector: &'a Collector,
    pub claimed: &'a Claimed,
    pub id: OperationId,
}

impl AttemptStep for OperationStep<'_> {
    type Outcome = CallOutcome<RemoteOperation>;

    async fn step(&self) -> Result<Option<Stepped<Self::Outcome>>, Unavailable> {
        self.collector.step_operation(self.claimed.delivery.lane, self.id).await
    }

    async fn record(
        &self,
        ticket: Ticket,
        stepped: &Stepped<Self::Outcome>,
    ) -> Result<Settlement, CommitError> {
        let settle = |again: Option<&RetryLater>| settlement(self.claimed, stepped, again);
        let shop = &self.collector.shop;
        tend_operation::record(shop, self.id, ticket, stepped.outcome.as_ref(), &settle).await
    }
}

/// The list of what was paid back of a payment.
pub(super) struct RefundListing<'a> {
    pub collector: &'a Collector,
    pub claimed: &'a Claimed,
    pub id: PaymentId,
}

impl AttemptStep for RefundListing<'_> {
    type Outcome = CallOutcome<RemoteOperation>;

    async fn step(&self) -> Result<Option<Stepped<Self::Outcome>>, Unavailable> {
        self.collector.list_refunds(self.id).await
    }

    async fn record(
        &self,
        ticket: Ticket,
        stepped: &Stepped<Self::Outcome>,
    ) -> Result<Settlement, CommitError> {
        let settle = |again: Option<&RetryLater>| settlement(self.claimed, stepped, again);
        let shop = &self.collector.shop;
        outside_refund::record(shop, self.id, ticket, stepped.outcome.as_ref(), &settle).await
    }
}

impl Collector {
    /// Does what is next for an operation. None if it changed meanwhile.
    pub(super) async fn step_operation(
        &self,
        lane: Lane,
        id: OperationId,
    ) -> Result<Option<Stepped<CallOutcome<RemoteOperation>>>, Unavailable> {
        let at_rest = || Ok(Some(Stepped::by_itself(None)));
        let Some(checkout) = checkout_of(&self.shop, id.payment.number).await? else { return at_rest() };
        let Some(operation) = checkout.operations.iter().find(|operation| operation.id == id) else {
            return at_rest();
        };
        let step = match (operation.step(), lane == WATCH_LANE) {
            (NextOperation::Check, true) => NextOperation::Check,
            (_, true) | (NextOperation::Check, _) => NextOperation::Rest,
            (step, _) => step,
        };
        if step == NextOperation::Rest {
            return at_rest();
        }
        let is_send = step == NextOperation::Send;
        let failed = |reason| Ok(Some(Stepped::by_itself(Some(not_called(is_send, reason)))));
        let Some(provider) = self.gateways.get(&checkout.gateway) else {
            return failed(RetryReason::NotConfigured { gateway: checkout.gateway.clone() });
        };
        let payment = checkout.payments.iter().find(|payment| payment.id == id.payment);
        let Some((payment, remote_id)) = payment.and_then(|payment| Some((payment, remote_id_of(payment)?)))
        else {
            return failed(RetryReason::NoRemoteId);
        };
        let (calls, purpose) = if is_send { (1, Purpose::Make) } else { (2, Purpose::Look) };
        if let Err(not_now) = self.may_call(&checkout.gateway, &**provider, calls, purpose).await? {
            return Ok(Some(not_now.stepped(is_send, step == NextOperation::Check)));
        }
        let outcome = match step {
            NextOperation::Send => {
                match self
                    .send_operation(&checkout.gateway, &**provider, operation, &payment.bill, &remote_id)
                    .await?
                {
                    Some(outcome) => outcome,
                    None => return Ok(None),
                }
            }
            NextOperation::Look | NextOperation::Check => {
                self.begins(&checkout.gateway);
                let outcome = provider.find_operation(operation, &remote_id).await.map(CallOutcome::Found);
                self.heard(&checkout.gateway, &outcome);
                outcome
            }
            NextOperation::Rest => return Ok(None),
        };
        let mut wish = None;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                wish = self.hear(&checkout, &**provider, &failure);
                if is_send { failure.meaning() } else { CallOutcome::NotSeen(failure.reason()) }
            }
        };
        metrics::payment_call(checkout.gateway.as_str(), outcome.name());
        let is_linked = step == NextOperation::Check;
        Ok(Some(Stepped { outcome: Some(outcome), wish, is_for_all: true, is_linked }))
    }

    /// Lists what was paid back of a payment over there, by whomever.
    pub(super) async fn list_refunds(
        &self,
        id: PaymentId,
    ) -> Result<Option<Stepped<CallOutcome<RemoteOperation>>>, Unavailable> {
        let at_rest = || Ok(Some(Stepped::by_itself(None)));
        let Some(checkout) = checkout_of(&self.shop, id.number).await? else { return at_rest() };
        let payment = checkout.payments.iter().find(|payment| payment.id == id);
        let Some(remote_id) = payment.and_then(remote_id_of) else { return at_rest() };
        let Some(provider) = self.gateways.get(&checkout.gateway) else {
            let reason = RetryReason::NotConfigured { gateway: checkout.gateway.clone() };
            return Ok(Some(Stepped::by_itself(Some(not_called(false, reason)))));
        };
        if let Err(not_now) = self.may_call(&checkout.gateway, &**provider, 2, Purpose::Look).await? {
            return Ok(Some(not_now.stepped(false, true)));
        }
        self.begins(&checkout.gateway);
        let outcome = provider.refunds(&remote_id).await.map(CallOutcome::Found);
        self.heard(&checkout.gateway, &outcome);
        let (outcome, wish) = match outcome {
            Ok(found) => (found, None),
            Err(failure) => {
                let wish = self.hear(&checkout, &**provider, &failure);
                (CallOutcome::NotSeen(failure.reason()), wish)
            }
        };
        metrics::payment_call(checkout.gateway.as_str(), outcome.name());
        Ok(Some(Stepped { outcome: Some(outcome), wish, is_for_all: true, is_linked: true }))
    }

    async fn send_operation(
        &self,
        gateway: &PartyName,
        provider: &dyn Provider,
        operation: &Operation,
        bill: &Bill,
        remote_id: &str,
    ) -> Result<Option<Result<CallOutcome<RemoteOperation>, Failure>>, Unavailable> {
        let request = match operation.request.clone() {
            Some(request) => request,
            None => match provider.freeze_operation(operation, bill, remote_id) {
                Ok(request) => Private::new(request),
                Err(detail) => {
                    return Ok(Some(Ok(CallOutcome::Refused(Refusal::NotExpressible { detail }))));
                }
            },
        };
        let intention = Intention::default();
        let note = || note_sending(&self.shop, operation, request.clone(), &intention);
        let Some(bytes) = persist(LEASE / 4, note).await? else { return Ok(None) };
        self.begins(gateway);
        let outcome = provider.operate(operation.kind, bytes.expose()).await.map(CallOutcome::Created);
        self.heard(gateway, &outcome);
        Ok(Some(outcome))
    }
}

/// Under which id the payment system took the money.
fn remote_id_of(payment: &Payment) -> Option<String> {
    let linked = payment.remote.as_ref().map(|remote| remote.id.clone());
    payment.paid_under.clone().or(linked)
}
