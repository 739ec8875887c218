//! Sends fulfilment updates to marketplaces.
//!
//! A marketplace refuses an update that it gets twice, as out of turn. So each
//! attempt is recorded before it is sent: then "out of turn" means that an
//! earlier attempt has arrived, even one whose process died.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::attempts::{AttemptStep, AttemptWorker, LogLines, StepResult};
use crate::flows::Services;
use crate::flows::marketplace_update::{MARKETPLACES, MarketplaceUpdate, Next};
use crate::flows::settle_delivery::{DeliveryChange, change_delivery};
use crate::kernel::Stopwatch;
use crate::kernel::time::between;
use crate::kernel::{Failure, PartyName};
use crate::marketplace::Sm;
use crate::orders::UpdateOutcome;
use crate::outbox::{Claimed, Delivery, Settlement, Ticket};
use crate::peer::RetryPolicy;
use crate::store::dispatch::Dispatch;
use crate::store::{CommitError, Unavailable};
use crate::telemetry::metrics;

/// How long a marketplace may take to answer, in seconds.
pub const TELL_SECONDS_MAX: u64 = 15;

/// How long a claim is held: getting a token and sending the update are two
/// calls.
const LEASE: Duration = Duration::from_secs(90);
const _: () = assert!(LEASE.as_secs() > 2 * 2 * TELL_SECONDS_MAX);

/// Updates that are sent at the same time.
const TOLD_AT_ONCE_MAX: usize = 8;

/// An update that could not be sent for a day becomes a dead letter and waits
/// for a person: the order has gone on without it.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(2),
    longest: Duration::from_secs(600),
    give_up_after: Duration::from_secs(24 * 3600),
};

const LOG: LogLines = LogLines {
    sent: "a fulfilment update was sent",
    waits: "a fulfilment update waits",
    retry: "a fulfilment update failed, will be retried",
    dead: "a fulfilment update was given up; update the order at the marketplace by hand, or fix \
           the cause and run",
};

/// Sends fulfilment updates to marketplaces.
#[derive(Debug, Clone)]
pub struct UpdateSender {
    /// Gives access to the outbox.
    pub services: Services,
    /// The marketplaces by the name of their source.
    pub marketplaces: Arc<BTreeMap<PartyName, Sm>>,
}

impl UpdateSender {
    /// Runs until drained; updates in progress are finished.
    pub async fn run(self, drain: CancellationToken) {
        let dispatch = Dispatch {
            store: self.services.store.clone(),
            lane: MARKETPLACES,
            lease: LEASE,
            at_once_max: TOLD_AT_ONCE_MAX,
            at_once_of_queue_max: TOLD_AT_ONCE_MAX / 2,
            one_at_a_time: false,
            takes_new: false,
        };
        let update_sender = Arc::new(self);
        let deliver = move |claimed| {
            let update_sender = Arc::clone(&update_sender);
            async move { update_sender.deliver(claimed).await }
        };
        dispatch.run(deliver, drain).await;
    }

    async fn deliver(&self, claimed: Claimed) -> Duration {
        let worker =
            AttemptWorker { store: &self.services.store, lease: LEASE, retry: RETRY, log: LOG };
        worker
            .carry_on(&claimed, &UpdateStep { sender: self, claimed: &claimed, worker: &worker })
            .await
    }

    async fn send_update(&self, delivery: &Delivery) -> Result<UpdateOutcome, Unavailable> {
        let update = match serde_json::from_str(&delivery.body) {
            Ok(update) => update,
            Err(why) => {
                return Ok(UpdateOutcome::Refused(format!("the message cannot be read: {why}")));
            }
        };
        let Some(marketplace) = self.marketplaces.get(&PartyName::new(delivery.queue.clone()))
        else {
            return Ok(UpdateOutcome::NotTaken(format!(
                "there is no [sources.{}.outgoing]",
                delivery.queue
            )));
        };
        // If the process dies now, its successor must not take "out of turn"
        // for a refusal.
        let about_to = |delivery: Delivery, _| {
            let last_error = Some(MarketplaceUpdate::of(&delivery).about_to_be_sent());
            Ok::<_, std::convert::Infallible>(DeliveryChange::Kept(Delivery {
                last_error,
                ..delivery
            }))
        };
        change_delivery(&self.services, delivery.id, about_to).await?;
        let watch = Stopwatch::start();
        let outcome = marketplace.send_update(&update).await;
        metrics::peer_call(&delivery.queue, outcome.name(), watch.elapsed());
        Ok(outcome)
    }
}

/// One attempt to send an update of an order to a marketplace.
struct UpdateStep<'a> {
    sender: &'a UpdateSender,
    claimed: &'a Claimed,
    worker: &'a AttemptWorker<'a>,
}

impl AttemptStep for UpdateStep<'_> {
    type Outcome = UpdateOutcome;

    async fn step(&self) -> Result<Option<StepResult<UpdateOutcome>>, Unavailable> {
        Ok(Some(StepResult::by_itself(Some(
            self.sender.send_update(&self.claimed.delivery).await?,
        ))))
    }

    /// The record of an update is the message itself.
    async fn record(
        &self,
        ticket: Ticket,
        stepped: &StepResult<UpdateOutcome>,
    ) -> Result<Settlement, CommitError> {
        let Claimed { delivery, at, .. } = self.claimed;
        let next = stepped
            .outcome
            .clone()
            .map(|outcome| MarketplaceUpdate::of(delivery).take(outcome, *at));
        let settlement = match next {
            None => Settlement::Sent,
            Some(Next::Arrived { out_of_turn }) => {
                if let Some(answer) = out_of_turn {
                    tracing::info!(
                        message.id = %delivery.id,
                        answer,
                        "the marketplace has received this update before"
                    );
                }
                Settlement::Sent
            }
            Some(Next::GivenUp(failure)) => Settlement::Dead { error: Failure::of(&failure) },
            Some(Next::Again(failure)) => {
                let error = Failure::of(&failure);
                let age =
                    delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, *at));
                match RETRY.delay(delivery.attempts + 1, age, None) {
                    Some(wait) => Settlement::Retry { wait, error },
                    None => Settlement::Dead { error },
                }
            }
        };
        self.worker.settled(delivery, ticket, settlement).await
    }
}
