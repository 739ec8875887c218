//! Advances payments at the payment systems: sends planned requests, looks up
//! requests whose outcome is unknown, sends updates, and cancels payments that
//! are no longer wanted.
//!
//! Each task is one step, run by [`attempts`](super::attempts). Operations on
//! received money work the same way: see [`operations`].

mod access;
mod operations;
mod payments;
mod settling;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::operations::{OperationStep, RefundListing};
use self::payments::{Aim, PaymentStep};
use self::settling::{LOG, RETRY, not_called, settlement};
use super::attempts::AttemptWorker;
use crate::flows::Services;
use crate::flows::effects::Task;
use crate::gateway::{self, Breaker, Provider};
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::{Failure, PartyName};
use crate::outbox::{Claimed, Lane, Settlement};
use crate::payments::WATCH_LANE;
use crate::store::dispatch::Dispatch;

/// How long a claim is held. A step makes up to three calls of 35 s each. A
/// step that reads a long list may lose its claim, and is then repeated.
const LEASE: Duration = Duration::from_secs(120);
const _: () = assert!(LEASE.as_secs() > 3 * gateway::CALL_SECONDS_MAX);

/// Payments that are advanced at the same time.
const PAYMENTS_AT_ONCE_MAX: usize = 16;

/// Links that are polled or updated at the same time: few, as they can wait.
const WATCHES_AT_ONCE_MAX: usize = 2;

/// Advances payments and operations at the payment systems.
#[derive(Debug, Clone)]
pub struct PaymentWorker {
    /// Gives access to the outbox and the payments.
    pub services: Services,
    /// The payment systems by name.
    pub gateways: Arc<BTreeMap<PartyName, Arc<dyn Provider>>>,
    /// The circuit breaker of each payment system, as this process sees it.
    pub breakers: Arc<Mutex<BTreeMap<PartyName, Breaker>>>,
}

impl PaymentWorker {
    /// Runs on a lane until drained; calls in progress are finished. On
    /// [`LANE`](crate::payments::LANE) it performs the steps that are due. On
    /// [`WATCH_LANE`] it polls links whose notification may have been lost, and
    /// sends updates.
    pub async fn run(self, lane: Lane, drain: CancellationToken) {
        let at_once_max =
            if lane == WATCH_LANE { WATCHES_AT_ONCE_MAX } else { PAYMENTS_AT_ONCE_MAX };
        let dispatch = Dispatch {
            store: self.services.store.clone(),
            lane,
            lease: LEASE,
            at_once_max,
            at_once_of_queue_max: at_once_max.div_ceil(2),
            one_at_a_time: false,
            takes_new: false,
        };
        let payment_worker = Arc::new(self);
        let deliver = move |claimed| {
            let payment_worker = Arc::clone(&payment_worker);
            async move { payment_worker.tend(claimed).await }
        };
        dispatch.run(deliver, drain).await;
    }

    /// Performs one step of a claimed task. Returns how long to pause the queue
    /// of its payment system.
    pub async fn tend(&self, claimed: Claimed) -> Duration {
        let worker =
            AttemptWorker { store: &self.services.store, lease: LEASE, retry: RETRY, log: LOG };
        let task: Task = match serde_json::from_str(&claimed.delivery.body) {
            Ok(task) => task,
            Err(why) => {
                let error = Failure::of(&DeliveryFailure::Unreadable { detail: why.to_string() });
                worker.settle(&claimed.delivery, claimed.ticket, Settlement::Dead { error }).await;
                return Duration::ZERO;
            }
        };
        let (payment_worker, claimed) = (self, &claimed);
        match task {
            Task::Operation { operation: id } => {
                worker.carry_on(claimed, &OperationStep { payment_worker, claimed, id }).await
            }
            Task::Refunds { payment: id } => {
                worker.carry_on(claimed, &RefundListing { payment_worker, claimed, id }).await
            }
            Task::Payment { payment: id } => {
                let aim = Aim::Advance;
                worker.carry_on(claimed, &PaymentStep { payment_worker, claimed, id, aim }).await
            }
            Task::PendingUpdate { payment: id } => {
                let aim = Aim::Update;
                worker.carry_on(claimed, &PaymentStep { payment_worker, claimed, id, aim }).await
            }
            Task::Look { payment: id } => {
                let aim = Aim::Look;
                worker.carry_on(claimed, &PaymentStep { payment_worker, claimed, id, aim }).await
            }
        }
    }
}
