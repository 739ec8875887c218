//! Whether a payment system may be called now, and what its answers show of its
//! health.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::{PaymentWorker, not_called};
use crate::flows::effects::parties_of;
use crate::flows::spend_budget::spend_budget;
use crate::gateway::{Breaker, Failure, Provider};
use crate::kernel::PartyName;
use crate::kernel::Stopwatch;
use crate::outbox::Delivery;
use crate::payments::{CallOutcome, CallsFor, Checkout, Purpose, RetryReason};
use crate::store::Unavailable;
use crate::telemetry::metrics;
use crate::workers::attempts::StepResult;

/// Why a payment system is not called now, and for how long.
pub(super) struct GatewayPaused {
    reason: RetryReason,
    wait: Duration,
    /// Whether no task may call it. Otherwise only this task has to wait.
    is_for_all: bool,
}

impl GatewayPaused {
    /// The result of a step that made no call.
    pub(super) fn stepped<R, T: From<CallOutcome<R>>>(
        self,
        is_send: bool,
        is_linked: bool,
    ) -> StepResult<T> {
        let GatewayPaused { reason, wait, is_for_all } = self;
        StepResult {
            outcome: Some(not_called(is_send, reason).into()),
            retry_after: Some(wait),
            is_for_all,
            is_linked,
        }
    }
}

impl PaymentWorker {
    /// Logs failures that the operator has to fix, and returns how long the
    /// payment system asks us to wait.
    pub(super) fn note_failure(
        &self,
        checkout: &Checkout,
        provider: &dyn Provider,
        failure: &Failure,
    ) -> Option<Duration> {
        match failure {
            Failure::NotDone { retry_after, .. } => *retry_after,
            Failure::NoAccess(why) => {
                tracing::error!(
                    gateway = %checkout.gateway,
                    account = provider.account(),
                    error = why,
                    "the payment system refuses access: check the gateway's token and merchant_id"
                );
                None
            }
            Failure::Refused(_)
            | Failure::Duplicate
            | Failure::Unknown(_)
            | Failure::Unclear(_) => None,
        }
    }

    /// Whether a payment system may be called so many times now for a message:
    /// its circuit breaker is closed, and its rate limit allows it.
    pub(super) async fn may_call(
        &self,
        delivery: &Delivery,
        gateway: &PartyName,
        provider: &dyn Provider,
        calls: usize,
        purpose: Purpose,
    ) -> Result<Result<(), GatewayPaused>, Unavailable> {
        let now = self.services.clock.now();
        let rests = self.breakers().get(gateway).and_then(|breaker| breaker.wait(now));
        if let Some(wait) = rests {
            return Ok(Err(GatewayPaused {
                reason: RetryReason::CircuitOpen,
                wait,
                is_for_all: true,
            }));
        }
        let Some(allowance) = provider.allowance() else { return Ok(Ok(())) };
        let account = provider.account();
        let (_, merchant) = parties_of(&delivery.queue);
        let by =
            CallsFor { merchant: &merchant, is_alone: self.services.is_alone_at(gateway, account) };
        let spent =
            spend_budget(&self.services, gateway, account, calls, allowance, purpose, by).await?;
        Ok(spent.map_err(|wait| GatewayPaused {
            reason: RetryReason::RateLimited {
                calls_max: allowance.calls_max,
                window_seconds: allowance.window.as_secs(),
            },
            wait,
            // Look-ups have a reserved share of the calls, so they may still
            // call.
            is_for_all: purpose == Purpose::Look,
        }))
    }

    /// Makes a call, and records its outcome for the circuit breaker and the
    /// metrics.
    pub(super) async fn call<T>(
        &self,
        gateway: &PartyName,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let now = self.services.clock.now();
        self.breakers().entry(gateway.clone()).or_default().begins(now);
        let watch = Stopwatch::start();
        let outcome = call.await;
        let name = if outcome.is_ok() { "answered" } else { "failed" };
        metrics::peer_call(gateway.as_str(), name, watch.elapsed());
        self.record_outcome(gateway, &outcome);
        outcome
    }

    pub(super) fn breakers(&self) -> MutexGuard<'_, BTreeMap<PartyName, Breaker>> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the outcome of a call in the circuit breaker.
    fn record_outcome<T>(&self, gateway: &PartyName, outcome: &Result<T, Failure>) {
        let now = self.services.clock.now();
        let (was_open, is_open) = {
            let mut breakers = self.breakers();
            let breaker = breakers.entry(gateway.clone()).or_default();
            let was_open = breaker.is_open();
            breaker.record(outcome, now);
            (was_open, breaker.is_open())
        };
        if was_open != is_open {
            self.services.paused_gateways.set(gateway, is_open);
            metrics::gateway_paused(gateway.as_str(), is_open);
            if is_open {
                tracing::error!(
                    %gateway,
                    "the payment system keeps failing; calls to it are paused"
                );
            } else {
                tracing::info!(%gateway, "the payment system answers again");
            }
        }
    }
}
