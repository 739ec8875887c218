//! Takes messages from the outbox to their chats: claim under a lease, act, settle.
//!
//! A chat is spoken to by one task at a time, with a pause between messages, so that a busy or broken chat
//! holds up nobody else's. A crash between acting and settling sends a message twice: it bears its number.

use crate::notify;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::dispatch::Dispatch;
use super::persistence::settle;
use crate::flows::Shop;
use crate::kernel::Failure;
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::time::between;
use crate::notify::Letter;
use crate::notify::channel::Handover;
use crate::notify::channel::telegram::Telegram;
use crate::outbox::{Claimed, Settlement};
use crate::peer::RetryPolicy;
use crate::store::Batch;
use crate::telemetry::metrics;
use crate::texts::{InWords, Language};

/// How long a claim is held: more than twice what a call may take.
const LEASE: Duration = Duration::from_secs(60);
const _: () = assert!(LEASE.as_secs() > 2 * HANDOVER_SECONDS_MAX);

/// How long handing over one message may take.
pub const HANDOVER_SECONDS_MAX: u64 = 15;

/// Chats that are spoken to at the same moment.
const CHATS_AT_ONCE_MAX: usize = 32;

/// A message that could not be handed over for so long is dead, and waits for a person.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(3600),
    give_up_after: Duration::from_secs(24 * 3600),
};

/// What the courier needs.
#[derive(Debug, Clone)]
pub struct Courier {
    /// The outbox, and whom it serves.
    pub shop: Shop,
    /// The road.
    pub telegram: Telegram,
    /// The pause between two messages to one chat.
    pub gap: Duration,
}

impl Courier {
    /// Runs until drained; what is being handed over is finished.
    pub async fn run(self, drain: CancellationToken) {
        let courier = Arc::new(self);
        let dispatch = Dispatch {
            shop: courier.shop.clone(),
            lane: notify::LANE,
            lease: LEASE,
            at_once_max: CHATS_AT_ONCE_MAX,
            at_once_of_queue_max: 1,
            one_at_a_time: true,
        };
        let deliver = move |claimed| {
            let courier = Arc::clone(&courier);
            async move { courier.deliver(claimed).await }
        };
        dispatch.run(deliver, drain).await;
    }

    async fn deliver(&self, Claimed { delivery, ticket, at }: Claimed) -> Duration {
        let handover = match serde_json::from_str::<Letter>(&delivery.body) {
            Ok(letter) => match self.shop.audience.chat_of(&letter.store_id) {
                Some(chat) => self.telegram.send(chat, &letter.text).await,
                None => Handover::Later {
                    failure: DeliveryFailure::SettingMissing {
                        setting: format!("a chat for store {:?} in [notify.telegram.chats]", letter.store_id),
                    },
                    wish: None,
                },
            },
            Err(why) => Handover::Never { failure: DeliveryFailure::Unreadable { detail: why.to_string() } },
        };
        let (settlement, outcome, rest) = match handover {
            Handover::Taken => (Settlement::Sent, "sent", self.gap),
            Handover::Never { failure } => {
                (Settlement::Dead { error: Failure::of(&failure) }, "dead", self.gap)
            }
            Handover::Later { failure, wish } => {
                let error = Failure::of(&failure);
                let age = delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, at));
                match RETRY.delay(delivery.attempts + 1, age, wish) {
                    Some(delay) => {
                        let rest = self.gap.max(wish.unwrap_or_default()).min(RETRY.longest);
                        (Settlement::Retry { wait: delay, error }, "retry", rest)
                    }
                    None => (Settlement::Dead { error }, "dead", self.gap),
                }
            }
        };
        metrics::outbox_attempt(notify::LANE, outcome);
        match &settlement {
            Settlement::Sent => {
                tracing::info!(message.id = %delivery.id, attempts = delivery.attempts + 1, "message sent");
            }
            Settlement::Retry { wait, error } | Settlement::Postpone { wait, error } => {
                tracing::warn!(message.id = %delivery.id, attempts = delivery.attempts + 1, ?wait, error = %error.in_words(Language::En), "message will be tried again");
            }
            Settlement::Dead { error } => {
                tracing::error!(
                    message.id = %delivery.id,
                    attempts = delivery.attempts + 1,
                    error = %error.in_words(Language::En),
                    "message is dead: mend the cause, then: tillgate outbox retry {}", delivery.id
                );
            }
        }
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        if let Err(why) = settle(&self.shop.store, delivery.id, &batch, LEASE / 2).await {
            tracing::warn!(message.id = %delivery.id, error = %why, "a message was not settled and may be sent again");
        }
        rest
    }
}
