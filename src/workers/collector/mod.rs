//! Looks after payments at the payment systems: sends what is planned, looks for what may have been sent, tells what else is
//! to be said of it, calls off what is not wanted any more.
//!
//! Each task is one step: note what is about to be done, do it, and record what it came to in the batch that settles
//! the task. Whatever is not certain afterwards is a task again. What is done with money that came goes the same way:
//! [`operations`].

mod access;
mod operations;
mod payments;

use crate::payments::WATCH_LANE;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::dispatch::Dispatch;
use super::persistence::{persist, settle};
use crate::flows::effects::Task;
use crate::flows::tend_payment::record;
use crate::flows::{Shop, outside_refund, tend_operation};
use crate::gateway::{self, Breaker, Provider};
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::time::between;
use crate::kernel::{Failure, PartyName, Timestamp};
use crate::outbox::Lane;
use crate::outbox::{Claimed, Delivery, Settlement, Ticket};
use crate::payments::{CallOutcome, PaymentOutcome, RetryLater, RetryReason};
use crate::peer::RetryPolicy;
use crate::store::{Batch, Unavailable};
use crate::telemetry::metrics;
use crate::texts::{InWords, Language};

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

/// What came of one step.
struct Stepped<T = PaymentOutcome> {
    /// What the step came to; none when nothing was done.
    outcome: Option<T>,
    /// How long it wants to wait.
    wish: Option<Duration>,
    /// It is the payment system that wants to be left alone, by everybody.
    is_for_all: bool,
    /// It is there and only waits to be over.
    is_linked: bool,
}

impl<T> Stepped<T> {
    /// How long everybody leaves the payment system alone.
    fn rest(&self) -> Option<Duration> {
        self.wish.filter(|_| self.is_for_all)
    }

    /// Without a call.
    fn by_itself(outcome: Option<T>) -> Stepped<T> {
        Stepped { outcome, wish: None, is_for_all: true, is_linked: false }
    }
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
    pub async fn tend(&self, Claimed { delivery, ticket, at }: Claimed) -> Duration {
        let task: Task = match serde_json::from_str(&delivery.body) {
            Ok(task) => task,
            Err(why) => {
                let error = Failure::of(&DeliveryFailure::Unreadable { detail: why.to_string() });
                self.settle(&delivery, ticket, Settlement::Dead { error }).await;
                return Duration::ZERO;
            }
        };
        let (recorded, wish) = match task {
            Task::Operation { operation: id } => {
                let stepped = persist(LEASE / 4, || self.step_operation(delivery.lane, id)).await;
                let Some(stepped) = self.went_on(&delivery, ticket, stepped).await else {
                    return Duration::ZERO;
                };
                let settle = |again: Option<&RetryLater>| settlement(&delivery, again, &stepped, at);
                let outcome = stepped.outcome.as_ref();
                let record = || tend_operation::record(&self.shop, id, ticket, outcome, &settle);
                (persist(LEASE / 2, record).await, stepped.rest())
            }
            Task::Refunds { payment } => {
                let stepped = persist(LEASE / 4, || self.list_refunds(payment)).await;
                let Some(stepped) = self.went_on(&delivery, ticket, stepped).await else {
                    return Duration::ZERO;
                };
                let settle = |again: Option<&RetryLater>| settlement(&delivery, again, &stepped, at);
                let outcome = stepped.outcome.as_ref();
                let record = || outside_refund::record(&self.shop, payment, ticket, outcome, &settle);
                (persist(LEASE / 2, record).await, stepped.rest())
            }
            Task::Payment { payment } | Task::Alteration { payment } => {
                let alters = matches!(task, Task::Alteration { .. });
                let stepped = persist(LEASE / 4, || self.step(&delivery, at, payment, alters)).await;
                let Some(stepped) = self.went_on(&delivery, ticket, stepped).await else {
                    return Duration::ZERO;
                };
                let settle = |again: Option<&RetryLater>| {
                    // The looks go on by themselves.
                    let again = again.filter(|again| !alters || !again.is_waiting());
                    settlement(&delivery, again, &stepped, at)
                };
                let outcome = stepped.outcome.as_ref();
                let record = || record(&self.shop, payment, ticket, outcome, &settle);
                (persist(LEASE / 2, record).await, stepped.rest())
            }
        };
        match recorded {
            Ok(settlement) => self.tell(&delivery, &settlement),
            Err(why) => {
                tracing::warn!(payment = %task.payment(), error = %why, "what became of a payment was not recorded; it will be looked up");
            }
        }
        wish.unwrap_or_default().min(RETRY.longest)
    }

    /// What a step came to; none if there is nothing to record.
    async fn went_on<T>(
        &self,
        delivery: &Delivery,
        ticket: Ticket,
        stepped: Result<Option<Stepped<T>>, Unavailable>,
    ) -> Option<Stepped<T>> {
        match stepped {
            Ok(Some(stepped)) => Some(stepped),
            // It has changed under our hands: from the beginning.
            Ok(None) => {
                let error = Failure::of(&RetryReason::Changed);
                self.settle(delivery, ticket, Settlement::Retry { wait: Duration::ZERO, error }).await;
                None
            }
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "a payment could not be looked after and will be again");
                None // the lease runs out
            }
        }
    }

    async fn settle(&self, delivery: &Delivery, ticket: Ticket, settlement: Settlement) {
        self.tell(delivery, &settlement);
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        if let Err(why) = settle(&self.shop.store, delivery.id, &batch, LEASE / 2).await {
            tracing::warn!(message.id = %delivery.id, error = %why, "a task was not settled and will be looked at again");
        }
    }

    fn tell(&self, delivery: &Delivery, settlement: &Settlement) {
        let outcome = match settlement {
            Settlement::Sent => {
                tracing::info!(message.id = %delivery.id, gateway = delivery.queue, "a payment was looked after");
                "sent"
            }
            Settlement::Retry { wait, error } if error.read() == Some(RetryReason::Waits) => {
                tracing::info!(message.id = %delivery.id, gateway = delivery.queue, ?wait, "a payment waits for its buyer");
                "waits"
            }
            Settlement::Retry { wait, error } | Settlement::Postpone { wait, error } => {
                let error = error.in_words(Language::En);
                tracing::warn!(message.id = %delivery.id, gateway = delivery.queue, ?wait, %error, "a payment is not settled yet");
                "retry"
            }
            Settlement::Dead { error } => {
                tracing::error!(
                    message.id = %delivery.id,
                    gateway = delivery.queue,
                    error = %error.in_words(Language::En),
                    "a payment was given up: mend the cause, then: tillgate outbox retry {}", delivery.id
                );
                "dead"
            }
        };
        metrics::outbox_attempt(delivery.lane, outcome);
    }
}

/// What it means that no call was made.
fn not_called<T>(is_send: bool, reason: RetryReason) -> CallOutcome<T> {
    if is_send { CallOutcome::NotDone(reason) } else { CallOutcome::NotSeen(reason) }
}

fn settlement<T>(
    delivery: &Delivery,
    again: Option<&RetryLater>,
    &Stepped { wish, is_linked, .. }: &Stepped<T>,
    now: Timestamp,
) -> Settlement {
    let Some(again) = again else { return Settlement::Sent };
    if again.is_waiting() && delivery.lane != WATCH_LANE {
        return Settlement::Sent; // the watch goes on from here
    }
    // While it can be paid it is looked after, however long that takes.
    let age = match delivery.first_failed_at {
        Some(first) if !is_linked => between(first, now),
        Some(_) | None => Duration::ZERO,
    };
    let error = Failure::of(&again.reason);
    match RETRY.delay(delivery.attempts + 1, age, wish) {
        Some(delay) => Settlement::Retry { wait: again.after.unwrap_or(delay), error },
        None => Settlement::Dead { error },
    }
}
