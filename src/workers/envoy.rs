//! Tells marketplaces how far their orders are.
//!
//! What is sent twice is refused over there as out of turn, so it is written down before each attempt that it is about to be
//! sent: then "out of turn" means that an earlier attempt, or one whose sender died, has arrived.

use crate::flows::marketplace_update::MARKETPLACES;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::dispatch::Dispatch;
use super::persistence::{persist, settle};
use crate::flows::Shop;
use crate::flows::marketplace_update::{MarketplaceUpdate, Next, Told};
use crate::flows::tend_delivery::{Altered, alter};
use crate::kernel::time::between;
use crate::kernel::{Failure, PartyName};
use crate::marketplace::{Heard, Sm};
use crate::outbox::{Claimed, Delivery, Settlement};
use crate::peer::RetryPolicy;
use crate::store::{Batch, Unavailable};
use crate::telemetry::metrics;
use crate::texts::{InWords, Language};

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

    async fn deliver(&self, Claimed { delivery, ticket, at }: Claimed) -> Duration {
        let told = match persist(LEASE / 4, || self.tell(&delivery)).await {
            Ok(told) => told,
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "a marketplace was not told, and will be");
                return Duration::ZERO; // the lease runs out
            }
        };
        let settlement = match MarketplaceUpdate::of(&delivery).take(told, at) {
            Next::Arrived { out_of_turn } => {
                if let Some(answer) = out_of_turn {
                    tracing::info!(message.id = %delivery.id, answer, "the marketplace has heard it before");
                }
                Settlement::Sent
            }
            Next::GivenUp(failure) => Settlement::Dead { error: Failure::of(&failure) },
            Next::Again(failure) => {
                let error = Failure::of(&failure);
                let age = delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, at));
                match RETRY.delay(delivery.attempts + 1, age, None) {
                    Some(wait) => Settlement::Retry { wait, error },
                    None => Settlement::Dead { error },
                }
            }
        };
        let outcome = match &settlement {
            Settlement::Sent => {
                tracing::info!(message.id = %delivery.id, source = delivery.queue, "a marketplace was told");
                "sent"
            }
            Settlement::Retry { wait, error } | Settlement::Postpone { wait, error } => {
                tracing::warn!(message.id = %delivery.id, source = delivery.queue, ?wait, error = %error.in_words(Language::En), "a marketplace could not be told and will be");
                "retry"
            }
            Settlement::Dead { error } => {
                tracing::error!(
                    message.id = %delivery.id,
                    source = delivery.queue,
                    error = %error.in_words(Language::En),
                    "a marketplace will not hear this: see to the order there by hand"
                );
                "dead"
            }
        };
        metrics::outbox_attempt(MARKETPLACES, outcome);
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        if let Err(why) = settle(&self.shop.store, delivery.id, &batch, LEASE / 2).await {
            tracing::warn!(message.id = %delivery.id, error = %why, "what a marketplace was told was not settled, and is told again");
        }
        Duration::ZERO
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
