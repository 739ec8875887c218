//! Looks after payments at the payment systems: sends what is planned, looks for what may have been sent, tells what else is
//! to be said of it, calls off what is not wanted any more.
//!
//! Each task is one step, carried on by [`attempts`](super::attempts). What is done with money that came goes the same way:
//! [`operations`].

mod access;
mod operations;
mod payments;
mod settling;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::operations::{OperationStep, RefundListing};
use self::payments::PaymentStep;
use self::settling::{not_called, settlement};
use super::attempts::{AttemptWorker, LogLines};
use super::dispatch::Dispatch;
use crate::flows::Shop;
use crate::flows::effects::Task;
use crate::gateway::{self, Breaker, Provider};
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::{Failure, PartyName};
use crate::outbox::{Claimed, Lane, Settlement};
use crate::payments::WATCH_LANE;
use crate::peer::RetryPolicy;

/// How long a claim is held: a step makes up to three calls of 35 s. One that walks a long list may lose it, and is done
/// again.
const LEASE: Duration = Duration::from_secs(120);
const _: () = assert!(LEASE.as_secs() > 3 * gateway::CALL_SECONDS_MAX);

/// Payments that are looked after at the same moment.
const PAYMENTS_AT_ONCE_MAX: usize = 16;

/// Links that are looked at, or told of anew, at the same moment: few, as they can wait.
const WATCHES_AT_ONCE_MAX: usize = 2;

/// A payment that could not be settled for so long waits for a person.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
    give_up_after: Duration::from_secs(3 * 24 * 3600),
};

const LOG: LogLines = LogLines {
    sent: "a payment was looked after",
    waits: "a payment waits for its buyer",
    retry: "a payment is not settled yet",
    dead: "a payment was given up: mend the cause, then",
};

/// What the collector needs.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The outbox, and the payments.
    pub shop: Shop,
    /// The payment systems by name.
    pub gateways: Arc<BTreeMap<PartyName, Arc<dyn Provider>>>,
    /// Which of them fail at the moment, as far as this process has seen.
    pub breakers: Arc<Mutex<BTreeMap<PartyName, Breaker>>>,
}

impl Collector {
    /// Runs on a lane until drained; calls under way are finished. On [`LANE`](crate::payments::LANE) it does what is to be done; on
    /// [`WATCH_LANE`] it looks at links whose notification may have been lost, and tells what else is said of them.
    pub async fn run(self, lane: Lane, drain: CancellationToken) {
        let at_once_max = if lane == WATCH_LANE { WATCHES_AT_ONCE_MAX } else { PAYMENTS_AT_ONCE_MAX };
        let dispatch = Dispatch {
            shop: self.shop.clone(),
            lane,
            lease: LEASE,
            at_once_max,
            at_once_of_queue_max: at_once_max.div_ceil(2),
            one_at_a_time: false,
        };
        let collector = Arc::new(self);
        let deliver = move |claimed| {
            let collector = Arc::clone(&collector);
            async move { collector.tend(claimed).await }
        };
        dispatch.run(deliver, drain).await;
    }

    /// Does one step for a payment whose task was claimed. Returns how long its payment system is to be left alone.
    pub async fn tend(&self, claimed: Claimed) -> Duration {
        let worker = AttemptWorker { store: &self.shop.store, lease: LEASE, retry: RETRY, log: LOG };
        let task: Task = match serde_json::from_str(&claimed.delivery.body) {
            Ok(task) => task,
            Err(why) => {
                let error = Failure::of(&DeliveryFailure::Unreadable { detail: why.to_string() });
                worker.settle(&claimed.delivery, claimed.ticket, Settlement::Dead { error }).await;
                return Duration::ZERO;
            }
        };
        let (collector, claimed) = (self, &claimed);
        match task {
            Task::Operation { operation: id } => {
                worker.carry_on(claimed, &OperationStep { collector, claimed, id }).await
            }
            Task::Refunds { payment: id } => {
                worker.carry_on(claimed, &RefundListing { collector, claimed, id }).await
            }
            Task::Payment { payment: id } => {
                worker.carry_on(claimed, &PaymentStep { collector, claimed, id, alters: false }).await
            }
            Task::Alteration { payment: id } => {
                worker.carry_on(claimed, &PaymentStep { collector, claimed, id, alters: true }).await
            }
        }
    }
}
