//! Sends messages from the outbox to pickers' chats: claim under a lease, send,
//! settle.
//!
//! Each chat has at most one task at a time, with a pause between messages, so
//! that a busy or broken chat does not delay the others. A crash between
//! sending and settling sends a message twice: it bears its number.

use crate::flows::flag_order::flag_order;
use crate::kernel::{Stopwatch, Timestamp};
use crate::notify;
use crate::orders::OrderNote;
use crate::outbox::Delivery;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::Services;
use crate::kernel::Failure;
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::time::between;
use crate::notify::PickerMessage;
use crate::notify::channel::SendOutcome;
use crate::notify::channel::telegram::Telegram;
use crate::outbox::{Claimed, Settlement};
use crate::peer::RetryPolicy;
use crate::store::Batch;
use crate::store::dispatch::Dispatch;
use crate::store::persistence::settle;
use crate::telemetry::metrics;
use crate::texts::{Language, Localized};

/// How long a claim is held: more than twice the time that a call may take.
const LEASE: Duration = Duration::from_secs(60);
const _: () = assert!(LEASE.as_secs() > 2 * HANDOVER_SECONDS_MAX);

/// How long sending one message may take, in seconds.
pub const HANDOVER_SECONDS_MAX: u64 = 15;

/// Chats that are written to at the same time.
const CHATS_AT_ONCE_MAX: usize = 32;

/// A message that could not be sent for a day becomes a dead letter and waits
/// for a person.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(3600),
    give_up_after: Duration::from_secs(24 * 3600),
};

/// Sends pickers' messages to their chats.
#[derive(Debug, Clone)]
pub struct PickerSender {
    /// Gives access to the outbox, and to the stores' chats.
    pub services: Services,
    /// The messenger.
    pub telegram: Telegram,
    /// The pause between two messages to one chat.
    pub gap: Duration,
}

impl PickerSender {
    /// Runs until drained; messages in progress are finished.
    pub async fn run(self, drain: CancellationToken) {
        let picker_sender = Arc::new(self);
        let dispatch = Dispatch {
            store: picker_sender.services.store.clone(),
            lane: notify::LANE,
            lease: LEASE,
            at_once_max: CHATS_AT_ONCE_MAX,
            at_once_of_queue_max: 1,
            one_at_a_time: true,
            takes_new: false,
        };
        let deliver = move |claimed| {
            let picker_sender = Arc::clone(&picker_sender);
            async move { picker_sender.deliver(claimed).await }
        };
        dispatch.run(deliver, drain).await;
    }

    async fn post(&self, chat: &str, text: &str) -> SendOutcome {
        let watch = Stopwatch::start();
        let sent = self.telegram.send(chat, text).await;
        let outcome = match sent {
            SendOutcome::Taken => "sent",
            SendOutcome::Later { .. } => "retry",
            SendOutcome::Never { .. } => "refused",
        };
        metrics::peer_call("telegram", outcome, watch.elapsed());
        sent
    }

    /// Puts a chat that takes no messages before a person, on the order that
    /// the message is about.
    async fn flag_if_forbidden(
        &self,
        delivery: &Delivery,
        message: &PickerMessage,
        sent: &SendOutcome,
    ) {
        let SendOutcome::Later { failure: DeliveryFailure::NotAllowed { .. }, .. } = sent else {
            return;
        };
        let note = OrderNote::PickersUnreachable { store_id: message.store_id.clone() };
        if let Err(why) = flag_order(&self.services, delivery.id.subject, note).await {
            tracing::warn!(error = %why, "an order could not be marked for a person");
        }
    }

    /// How a message is settled, the outcome's label in metrics, and how long
    /// its chat is left alone.
    fn settlement_of(
        &self,
        sent: SendOutcome,
        delivery: &Delivery,
        at: Timestamp,
    ) -> (Settlement, &'static str, Duration) {
        match sent {
            SendOutcome::Taken => (Settlement::Sent, "sent", self.gap),
            SendOutcome::Never { failure } => {
                (Settlement::Dead { error: Failure::of(&failure) }, "dead", self.gap)
            }
            SendOutcome::Later { failure, retry_after } => {
                let error = Failure::of(&failure);
                let age =
                    delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, at));
                match RETRY.delay(delivery.attempts + 1, age, retry_after) {
                    Some(delay) => {
                        let rest = self.gap.max(retry_after.unwrap_or_default()).min(RETRY.longest);
                        (Settlement::Retry { wait: delay, error }, "retry", rest)
                    }
                    None => (Settlement::Dead { error }, "dead", self.gap),
                }
            }
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> SendOutcome {
        match serde_json::from_str::<PickerMessage>(&delivery.body) {
            Ok(message) => match self.services.audience.chat_of(&message.store_id) {
                Some(chat) => {
                    let sent = self.post(chat, &message.text).await;
                    self.flag_if_forbidden(delivery, &message, &sent).await;
                    sent
                }
                None => SendOutcome::Later {
                    failure: DeliveryFailure::SettingMissing {
                        setting: format!(
                            "a chat for store {:?} in [notify.telegram.chats]",
                            message.store_id
                        ),
                    },
                    retry_after: None,
                },
            },
            Err(why) => SendOutcome::Never {
                failure: DeliveryFailure::Unreadable { detail: why.to_string() },
            },
        }
    }

    async fn deliver(&self, Claimed { delivery, ticket, at }: Claimed) -> Duration {
        let sent = self.attempt(&delivery).await;
        let (settlement, outcome, rest) = self.settlement_of(sent, &delivery, at);
        metrics::outbox_attempt(notify::LANE, outcome);
        match &settlement {
            Settlement::Sent => {
                tracing::info!(
                    message.id = %delivery.id,
                    attempts = delivery.attempts + 1,
                    "a message was sent"
                );
            }
            Settlement::Retry { wait, error } | Settlement::Postpone { wait, error } => {
                tracing::warn!(
                    message.id = %delivery.id,
                    attempts = delivery.attempts + 1,
                    ?wait,
                    error = %error.in_words(Language::En),
                    "a message could not be sent, will be retried"
                );
            }
            Settlement::Dead { error } => {
                tracing::error!(
                    message.id = %delivery.id,
                    attempts = delivery.attempts + 1,
                    error = %error.in_words(Language::En),
                    "a message was given up; fix the cause, then run: tillgate outbox retry {}",
                    delivery.id
                );
            }
        }
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        if let Err(why) = settle(&self.services.store, delivery.id, &batch, LEASE / 2).await {
            tracing::warn!(
                message.id = %delivery.id,
                error = %why,
                "a message was not settled and may be sent again"
            );
        }
        rest
    }
}
