//! Tells marketplaces how far their orders are.
//!
//! What is sent twice is refused over there as out of turn, so it is written down before each attempt that it is about to be
//! sent: then "out of turn" means that an earlier attempt, or one whose sender died, has arrived.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::attempts::{AttemptStep, AttemptWorker, LogLines, Stepped};
use super::dispatch::Dispatch;
use crate::flows::Shop;
use crate::flows::marketplace_update::{MARKETPLACES, MarketplaceUpdate, Next, Told};
use crate::flows::tend_delivery::{Altered, alter};
use crate::kernel::time::between;
use crate::kernel::{Failure, PartyName};
use crate::marketplace::{Heard, Sm};
use crate::outbox::{Claimed, Delivery, Settlement, Ticket};
use crate::peer::RetryPolicy;
use crate::store::{CommitError, Unavailable};

/// How long a marketplace may take to answer, in seconds.
pub const TELL_SECONDS_MAX: u64 = 15;

/// How long a claim is held: asking for a token and telling are two calls.
const LEASE: Duration = Duration::from_secs(90);
const _: () = assert!(LEASE.as_secs() > 2 * 2 * TELL_SECONDS_MAX);

/// Marketplaces that are told at the same moment.
const TOLD_AT_ONCE_MAX: usize = 8;

/// What could not be told for a day is dead, and waits for a person: the order has gone on without it.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(2),
    longest: Duration::from_secs(600),
    give_up_after: Duration::from_secs(24 * 3600),
};

const LOG: LogLines = LogLines {
    sent: "a marketplace was told",
    waits: "a marketplace waits to be told",
    retry: "a marketplace could not be told and will be",
    dead: "a marketplace will not hear this: see to the order there by hand, or mend the cause, then",
};

/// What the envoy needs.
#[derive(Debug, Clone)]
pub struct Envoy {
    /// The outbox.
    pub shop: Shop,
    /// The marketplaces by the name of their source.
    pub marketplaces: Arc<BTreeMap<PartyName, Sm>>,
}

impl Envoy {
    /// Runs until drained; what is being told is finished.
    pub async fn run(self, drain: CancellationToken) {
        let dispatch = Dispatch {
            shop: self.shop.clone(),
            lane: MARKETPLACES,
            lease: LEASE,
            at_once_max: TOLD_AT_ONCE_MAX,
            at_once_of_queue_max: TOLD_AT_ONCE_MAX / 2,
            one_at_a_time: false,
        };
        let envoy = Arc::new(self);
        let deliver = move |claimed| {
            let envoy = Arc::clone(&envoy);
            async move { envoy.deliver(claimed).await }
        };
        dispatch.run(deliver, drain).await;
    }

    async fn deliver(&self, claimed: Claimed) -> Duration {
        let worker = AttemptWorker { store: &self.shop.store, lease: LEASE, retry: RETRY, log: LOG };
        worker.carry_on(&claimed, &UpdateStep { envoy: self, claimed: &claimed, worker: &worker }).await
    }

    async fn tell(&self, delivery: &Delivery) -> Result<Told, Unavailable> {
        let update = match serde_json::from_str(&delivery.body) {
            Ok(update) => update,
            Err(why) => return Ok(Told::Refused(format!("the message cannot be read: {why}"))),
        };
        let Some(marketplace) = self.marketplaces.get(&PartyName::new(delivery.queue.clone())) else {
            return Ok(Told::NotTaken(format!("there is no [sources.{}.outgoing]", delivery.queue)));
        };
        // Should the process die now, whoever comes after it must not take "out of turn" for a refusal.
        let about_to = |delivery: Delivery, _| {
            let last_error = Some(MarketplaceUpdate::of(&delivery).about_to_be_sent());
            Ok::<_, std::convert::Infallible>(Altered::Kept(Delivery { last_error, ..delivery }))
        };
        alter(&self.shop, delivery.id, about_to).await?;
        Ok(match marketplace.tell(&update).await {
            Heard::Taken => Told::Taken,
            Heard::NotTaken(said) => Told::NotTaken(said),
            Heard::Unknown(said) => Told::Unknown(said),
            Heard::OutOfTurn(said) => Told::OutOfTurn(said),
            Heard::Refused(said) => Told::Refused(said),
        })
    }
}

/// An update of an order, on its way to a marketplace.
struct UpdateStep<'a> {
    envoy: &'a Envoy,
    claimed: &'a Claimed,
    worker: &'a AttemptWorker<'a>,
}

impl AttemptStep for UpdateStep<'_> {
    type Outcome = Told;

    async fn step(&self) -> Result<Option<Stepped<Told>>, Unavailable> {
        Ok(Some(Stepped::by_itself(Some(self.envoy.tell(&self.claimed.delivery).await?))))
    }

    /// The record of an update is the message itself.
    async fn record(&self, ticket: Ticket, stepped: &Stepped<Told>) -> Result<Settlement, CommitError> {
        let Claimed { delivery, at, .. } = self.claimed;
        let next = stepped.outcome.clone().map(|told| MarketplaceUpdate::of(delivery).take(told, *at));
        let settlement = match next {
            None => Settlement::Sent,
            Some(Next::Arrived { out_of_turn }) => {
                if let Some(answer) = out_of_turn {
                    tracing::info!(message.id = %delivery.id, answer, "the marketplace has heard it before");
                }
                Settlement::Sent
            }
            Some(Next::GivenUp(failure)) => Settlement::Dead { error: Failure::of(&failure) },
            Some(Next::Again(failure)) => {
                let error = Failure::of(&failure);
                let age = delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, *at));
                match RETRY.delay(delivery.attempts + 1, age, None) {
                    Some(wait) => Settlement::Retry { wait, error },
                    None => Settlement::Dead { error },
                }
            }
        };
        self.worker.settled(delivery, ticket, settlement).await
    }
}
