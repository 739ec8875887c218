//! Advances operations (captures, refunds, receipts of shipments), one step per
//! task, like payments.

use super::{LEASE, PaymentWorker, not_called, settlement};
use crate::flows::advance_operation::{self, note_sending};
use crate::flows::advance_payment::Intention;
use crate::flows::{checkout_of, outside_refund};
use crate::gateway::{Failure, Provider};
use crate::kernel::{PartyName, Private};
use crate::outbox::{Claimed, Delivery, Settlement, Ticket};
use crate::payments::WATCH_LANE;
use crate::payments::{
    Bill, CallOutcome, Operation, OperationId, OperationStep as NextOperation, Payment, PaymentId,
    Purpose, Refusal, RemoteOperation, RetryLater, RetryReason,
};
use crate::store::persistence::persist;
use crate::store::{CommitError, Unavailable};
use crate::telemetry::metrics;
use crate::workers::attempts::{AttemptStep, StepResult};

/// One step of an operation.
pub(super) struct OperationStep<'a> {
    pub payment_worker: &'a PaymentWorker,
    pub claimed: &'a Claimed,
    pub id: OperationId,
}

impl AttemptStep for OperationStep<'_> {
    type Outcome = CallOutcome<RemoteOperation>;

    async fn step(&self) -> Result<Option<StepResult<Self::Outcome>>, Unavailable> {
        self.payment_worker.step_operation(&self.claimed.delivery, self.id).await
    }

    async fn record(
        &self,
        ticket: Ticket,
        stepped: &StepResult<Self::Outcome>,
    ) -> Result<Settlement, CommitError> {
        let settle = |again: Option<&RetryLater>| settlement(self.claimed, stepped, again);
        let services = &self.payment_worker.services;
        advance_operation::record(services, self.id, ticket, stepped.outcome.as_ref(), &settle)
            .await
    }
}

/// Lists the refunds of a payment.
pub(super) struct RefundListing<'a> {
    pub payment_worker: &'a PaymentWorker,
    pub claimed: &'a Claimed,
    pub id: PaymentId,
}

impl AttemptStep for RefundListing<'_> {
    type Outcome = CallOutcome<RemoteOperation>;

    async fn step(&self) -> Result<Option<StepResult<Self::Outcome>>, Unavailable> {
        self.payment_worker.list_refunds(&self.claimed.delivery, self.id).await
    }

    async fn record(
        &self,
        ticket: Ticket,
        stepped: &StepResult<Self::Outcome>,
    ) -> Result<Settlement, CommitError> {
        let settle = |again: Option<&RetryLater>| settlement(self.claimed, stepped, again);
        let services = &self.payment_worker.services;
        outside_refund::record(services, self.id, ticket, stepped.outcome.as_ref(), &settle).await
    }
}

impl PaymentWorker {
    /// Performs the next step of an operation. Returns `None` if the operation
    /// changed in the meantime.
    pub(super) async fn step_operation(
        &self,
        delivery: &Delivery,
        id: OperationId,
    ) -> Result<Option<StepResult<CallOutcome<RemoteOperation>>>, Unavailable> {
        let at_rest = || Ok(Some(StepResult::by_itself(None)));
        let Some(checkout) = checkout_of(&self.services, id.payment.number).await? else {
            return at_rest();
        };
        let Some(operation) = checkout.operations.iter().find(|operation| operation.id == id)
        else {
            return at_rest();
        };
        let step = match (operation.step(), delivery.lane == WATCH_LANE) {
            (NextOperation::Check, true) => NextOperation::Check,
            (_, true) | (NextOperation::Check, _) => NextOperation::Rest,
            (step, _) => step,
        };
        if step == NextOperation::Rest {
            return at_rest();
        }
        let is_send = step == NextOperation::Send;
        let failed = |reason| Ok(Some(StepResult::by_itself(Some(not_called(is_send, reason)))));
        let Some(provider) = self.gateways.get(&checkout.gateway) else {
            return failed(RetryReason::NotConfigured { gateway: checkout.gateway.clone() });
        };
        let payment = checkout.payments.iter().find(|payment| payment.id == id.payment);
        let Some((payment, remote_id)) =
            payment.and_then(|payment| Some((payment, remote_id_of(payment)?)))
        else {
            return failed(RetryReason::NoRemoteId);
        };
        let (calls, purpose) = if is_send { (1, Purpose::Make) } else { (2, Purpose::Look) };
        if let Err(not_now) =
            self.may_call(delivery, &checkout.gateway, &**provider, calls, purpose).await?
        {
            return Ok(Some(not_now.stepped(is_send, step == NextOperation::Check)));
        }
        let outcome = match step {
            NextOperation::Send => {
                match self
                    .send_operation(
                        &checkout.gateway,
                        &**provider,
                        operation,
                        &payment.bill,
                        &remote_id,
                    )
                    .await?
                {
                    Some(outcome) => outcome,
                    None => return Ok(None),
                }
            }
            NextOperation::Look | NextOperation::Check => self
                .call(&checkout.gateway, provider.find_operation(operation, &remote_id))
                .await
                .map(CallOutcome::Found),
            NextOperation::Rest => return Ok(None),
        };
        let mut retry_after = None;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                retry_after = self.note_failure(&checkout, &**provider, &failure);
                if is_send { failure.meaning() } else { CallOutcome::NotSeen(failure.reason()) }
            }
        };
        metrics::payment_call(checkout.gateway.as_str(), outcome.name());
        let is_linked = step == NextOperation::Check;
        Ok(Some(StepResult { outcome: Some(outcome), retry_after, is_for_all: true, is_linked }))
    }

    /// Lists the refunds of a payment at the payment system, no matter who made
    /// them.
    pub(super) async fn list_refunds(
        &self,
        delivery: &Delivery,
        id: PaymentId,
    ) -> Result<Option<StepResult<CallOutcome<RemoteOperation>>>, Unavailable> {
        let at_rest = || Ok(Some(StepResult::by_itself(None)));
        let Some(checkout) = checkout_of(&self.services, id.number).await? else {
            return at_rest();
        };
        let payment = checkout.payment(id);
        let Some(remote_id) = payment.and_then(remote_id_of) else { return at_rest() };
        let Some(provider) = self.gateways.get(&checkout.gateway) else {
            let reason = RetryReason::NotConfigured { gateway: checkout.gateway.clone() };
            return Ok(Some(StepResult::by_itself(Some(not_called(false, reason)))));
        };
        if let Err(not_now) =
            self.may_call(delivery, &checkout.gateway, &**provider, 2, Purpose::Look).await?
        {
            return Ok(Some(not_now.stepped(false, true)));
        }
        let outcome = self
            .call(&checkout.gateway, provider.refunds(&remote_id))
            .await
            .map(CallOutcome::Found);
        let (outcome, retry_after) = match outcome {
            Ok(found) => (found, None),
            Err(failure) => {
                let retry_after = self.note_failure(&checkout, &**provider, &failure);
                (CallOutcome::NotSeen(failure.reason()), retry_after)
            }
        };
        metrics::payment_call(checkout.gateway.as_str(), outcome.name());
        Ok(Some(StepResult {
            outcome: Some(outcome),
            retry_after,
            is_for_all: true,
            is_linked: true,
        }))
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
            None => match provider.build_operation_request(operation, bill, remote_id) {
                Ok(request) => Private::new(request),
                Err(detail) => {
                    return Ok(Some(Ok(CallOutcome::Refused(Refusal::NotExpressible { detail }))));
                }
            },
        };
        let intention = Intention::default();
        let note = || note_sending(&self.services, operation, request.clone(), &intention);
        let Some(bytes) = persist(LEASE / 4, note).await? else { return Ok(None) };
        let outcome = self
            .call(gateway, provider.operate(operation.kind, bytes.expose()))
            .await
            .map(CallOutcome::Created);
        Ok(Some(outcome))
    }
}

/// The id under which the payment system took the money.
fn remote_id_of(payment: &Payment) -> Option<String> {
    let linked = payment.remote.as_ref().map(|remote| remote.id.clone());
    payment.paid_under.clone().or(linked)
}
