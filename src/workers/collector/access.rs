//! Whether a payment system may be called now, and what its answers say of it.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::{Collector, not_called};
use crate::flows::spend_budget::spend_budget;
use crate::gateway::{Breaker, Failure, Provider};
use crate::kernel::PartyName;
use crate::payments::{CallOutcome, Checkout, Purpose, RetryReason};
use crate::store::Unavailable;
use crate::telemetry::metrics;
use crate::workers::attempts::Stepped;

/// Why a payment system is not called now, and how long not.
pub(super) struct NotNow {
    reason: RetryReason,
    wait: Duration,
    /// Nobody may call; else it is only this task that has to wait.
    is_for_all: bool,
}

impl NotNow {
    /// A step in which no call was made.
    pub(super) fn stepped<R, T: From<CallOutcome<R>>>(self, is_send: bool, is_linked: bool) -> Stepped<T> {
        let NotNow { reason, wait, is_for_all } = self;
        Stepped { outcome: Some(not_called(is_send, reason).into()), wish: Some(wait), is_for_all, is_linked }
    }
}

impl Collector {
    /// Says what is for the operator in a failed call, and returns how long the payment system wants to be left alone.
    pub(super) fn hear(
        &self,
        checkout: &Checkout,
        provider: &dyn Provider,
        failure: &Failure,
    ) -> Option<Duration> {
        match failure {
            Failure::NotDone { wish, .. } => *wish,
            Failure::NoAccess(why) => {
                tracing::error!(gateway = %checkout.gateway, account = provider.account(), error = why, "the payment system turns us away: check the gateway's token and merchant_id");
                None
            }
            Failure::Refused(_) | Failure::Duplicate | Failure::Unknown(_) | Failure::Unclear(_) => None,
        }
    }

    /// Whether a payment system may be called so many times now: it answers, as far as we know, and allows it.
    pub(super) async fn may_call(
        &self,
        gateway: &PartyName,
        provider: &dyn Provider,
        calls: usize,
        purpose: Purpose,
    ) -> Result<Result<(), NotNow>, Unavailable> {
        let now = self.shop.clock.now();
        let rests = self.breakers().get(gateway).and_then(|breaker| breaker.wait(now));
        if let Some(wait) = rests {
            return Ok(Err(NotNow { reason: RetryReason::CircuitOpen, wait, is_for_all: true }));
        }
        let Some(allowance) = provider.allowance() else { return Ok(Ok(())) };
        let account = provider.account();
        let spent = spend_budget(&self.shop, gateway, account, calls, allowance, purpose).await?;
        Ok(spent.map_err(|wait| NotNow {
            reason: RetryReason::RateLimited {
                calls_max: allowance.calls_max,
                window_seconds: allowance.window.as_secs(),
            },
            wait,
            // What is kept for looking is there for those who look.
            is_for_all: purpose == Purpose::Look,
        }))
    }

    /// A call is about to be made.
    pub(super) fn begins(&self, gateway: &PartyName) {
        let now = self.shop.clock.now();
        self.breakers().entry(gateway.clone()).or_default().begins(now);
    }

    pub(super) fn breakers(&self) -> MutexGuard<'_, BTreeMap<PartyName, Breaker>> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how a call ended, for those that come after it.
    pub(super) fn heard<T>(&self, gateway: &PartyName, outcome: &Result<T, Failure>) {
        let now = self.shop.clock.now();
        let (was_open, is_open) = {
            let mut breakers = self.breakers();
            let breaker = breakers.entry(gateway.clone()).or_default();
            let was_open = breaker.is_open();
            breaker.heard(outcome, now);
            (was_open, breaker.is_open())
        };
        if was_open != is_open {
            self.shop.resting.set(gateway, is_open);
            metrics::gateway_rests(gateway.as_str(), is_open);
            if is_open {
                tracing::error!(%gateway, "the payment system fails again and again, and is left alone for a while");
            } else {
                tracing::info!(%gateway, "the payment system answers again");
            }
        }
    }
}
