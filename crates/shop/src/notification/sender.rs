//! Sends the letters and short messages that wait: claim under a lease, hand
//! over, settle. A crash between the last two sends a letter twice, with the
//! same `Message-ID`.

use std::sync::Arc;
use std::time::Duration;

use tillgate_kernel::failure::DeliveryFailure;
use tillgate_kernel::outbox::{Claimed, Delivery, Lane, Settlement};
use tillgate_kernel::time::between;
use tillgate_kernel::{Failure, Fingerprint, Timestamp};
use tillgate_peer::RetryPolicy;
use tillgate_store::dispatch::Dispatch;
use tillgate_store::persistence::{persist, settle};
use tillgate_store::{Batch, Unavailable, Versioned};
use tokio_util::sync::CancellationToken;

use super::Notification;
use super::letter::Sender;
use super::mailer::{CONNECTIONS_MAX, HANDOVER_SECONDS_MAX, Handed, Mailer};
use super::notice::Notice;
use super::recipient::Recipient;
use super::sms::Sms;
use super::take::{MAIL, SMS};
use crate::formats::AccountLetter;
use crate::seal::Unsealable;

/// How long a claim is held.
const LEASE: Duration = Duration::from_secs(90);
const _: () = assert!(LEASE.as_secs() > 2 * (HANDOVER_SECONDS_MAX + 2 * STORE_WAIT.as_secs()));

/// How long an operation of the store is retried.
const STORE_WAIT: Duration = Duration::from_secs(5);

/// How long a letter waits for a setting that is missing. Its time until it is
/// given up does not run meanwhile.
const SETTING_PAUSE: Duration = Duration::from_secs(300);

/// A letter that could not be handed over for two days becomes a dead letter.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(2),
    longest: Duration::from_secs(3600),
    give_up_after: Duration::from_secs(2 * 24 * 3600),
};

/// Sends letters.
#[derive(Debug)]
pub struct LetterSender {
    pub service: Notification,
    pub channel: Channel,
    pub sender: Sender,
}

/// What carries letters or short messages. Absent if it is not in the settings:
/// they wait.
#[derive(Debug, Clone)]
pub enum Channel {
    Mail(Option<Mailer>),
    Sms(Option<Sms>),
}

impl Channel {
    const fn lane(&self) -> Lane {
        match self {
            Channel::Mail(_) => MAIL,
            Channel::Sms(_) => SMS,
        }
    }
}

impl LetterSender {
    /// Runs until drained; letters that are being handed over are finished.
    pub async fn run(self, drain: CancellationToken) {
        let dispatch = Dispatch {
            store: self.service.store.clone(),
            lane: self.channel.lane(),
            lease: LEASE,
            at_once_max: CONNECTIONS_MAX as usize,
            at_once_of_queue_max: CONNECTIONS_MAX as usize,
            one_at_a_time: false,
            takes_new: true,
        };
        let sender = Arc::new(self);
        let deliver = move |claimed| {
            let sender = Arc::clone(&sender);
            async move {
                sender.deliver(claimed).await;
                Duration::ZERO
            }
        };
        dispatch.run(deliver, drain).await;
    }

    /// Hands over one letter, and settles it.
    pub(super) async fn deliver(&self, Claimed { delivery, ticket, at }: Claimed) {
        let mut batch = Batch::new();
        let handed = match self.attempt(&delivery, &mut batch).await {
            Ok(handed) => handed,
            Err(why) => {
                tracing::warn!(
                    message.id = %delivery.id,
                    error = %why,
                    "a letter was not sent because of the store; it is sent when its lease expires"
                );
                return;
            }
        };
        let (settlement, outcome) = match &handed {
            Handed::Taken => (Settlement::Sent, "sent"),
            // Nobody is left who waits for it.
            Handed::TooLate => (Settlement::Sent, "too_late"),
            Handed::Never(failure) => (Settlement::Dead { error: Failure::of(failure) }, "dead"),
            Handed::Later(failure @ DeliveryFailure::SettingMissing { .. }) => {
                (Settlement::Postpone { wait: SETTING_PAUSE, error: Failure::of(failure) }, "retry")
            }
            Handed::Later(failure) => {
                let error = Failure::of(failure);
                let age =
                    delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, at));
                match RETRY.delay(delivery.attempts + 1, age, None) {
                    Some(wait) => (Settlement::Retry { wait, error }, "retry"),
                    None => (Settlement::Dead { error }, "dead"),
                }
            }
        };
        report(&delivery, &settlement, &handed);
        let lane = self.channel.lane().to_string();
        metrics::counter!("tillgate_outbox_attempts_total", "lane" => lane, "outcome" => outcome)
            .increment(1);
        batch.settle(ticket, settlement);
        if let Err(why) = settle(&self.service.store, delivery.id, &batch, STORE_WAIT).await {
            tracing::warn!(
                message.id = %delivery.id,
                error = %why,
                "a letter was not settled and may be sent again"
            );
        }
    }

    /// Hands over the letter of a message. Stages that it was sent.
    async fn attempt(&self, delivery: &Delivery, batch: &mut Batch) -> Result<Handed, Unavailable> {
        let unreadable = |detail: String| Handed::Never(DeliveryFailure::Unreadable { detail });
        let Notification { store, clock, keys } = &self.service;
        let partition = delivery.id.subject;
        let found = persist(STORE_WAIT, async || {
            let Some(notice) = store.read::<Notice>(Notice::key_in(partition)).await? else {
                return Ok(None);
            };
            let recipient = store.read::<Recipient>(Recipient::key_in(notice.client)).await?;
            Ok::<_, Unavailable>(recipient.map(|recipient| (notice, recipient)))
        })
        .await?;
        let Some((notice, recipient)) = found else {
            return Ok(unreadable("its notice is gone".into()));
        };
        let opened =
            recipient.data_key(notice.client, keys).and_then(|data_key| notice.content(&data_key));
        let letter = match opened {
            Ok(Some(letter)) => letter,
            Ok(None) => return Ok(Handed::Taken), // it was sent, and settled just now
            Err(why @ Unsealable::UnknownKey(_)) => {
                return Ok(Handed::Later(DeliveryFailure::SettingMissing {
                    setting: why.to_string(),
                }));
            }
            Err(why) => return Ok(unreadable(why.to_string())),
        };
        let now = clock.now();
        if letter.ends_at.is_some_and(|ends_at| now >= ends_at) {
            let over: Versioned<Notice> = notice.replaced(notice.over());
            over.stage_at(Notice::key_in(partition), batch);
            return Ok(Handed::TooLate);
        }
        let handed = self.hand_over(&letter, notice.cause, notice.created_at).await;
        if handed == Handed::Taken {
            let sent: Versioned<Notice> = notice.replaced(notice.sent(clock.now()));
            sent.stage_at(Notice::key_in(partition), batch);
        }
        Ok(handed)
    }
}

impl LetterSender {
    async fn hand_over(
        &self,
        AccountLetter { to, language, letter, .. }: &AccountLetter,
        cause: Fingerprint,
        written_at: Timestamp,
    ) -> Handed {
        let missing = |setting: &str| {
            Handed::Later(DeliveryFailure::SettingMissing { setting: setting.to_owned() })
        };
        let unreadable =
            |detail: &str| Handed::Never(DeliveryFailure::Unreadable { detail: detail.to_owned() });
        match &self.channel {
            Channel::Mail(None) => missing("url and from in [shop.mail]"),
            Channel::Sms(None) => missing("url, token and from in [shop.sms]"),
            Channel::Mail(Some(mailer)) => match self.sender.word(letter, *language) {
                Ok(Some(worded)) => mailer.hand_over(worded, to.expose(), cause, written_at).await,
                Ok(None) => unreadable("it is no letter"),
                Err(why) => unreadable(&why.to_string()),
            },
            Channel::Sms(Some(sms)) => match self.sender.short(letter, *language) {
                Some(text) => sms.hand_over(&text, to.expose(), cause).await,
                None => unreadable("it is no short message"),
            },
        }
    }
}

fn report(delivery: &Delivery, settlement: &Settlement, handed: &Handed) {
    let attempts = delivery.attempts + 1;
    if matches!(handed, Handed::TooLate) {
        tracing::warn!(
            message.id = %delivery.id,
            "a letter was not sent in time: its link or code has ended"
        );
        return;
    }
    let why = match handed {
        Handed::Taken | Handed::TooLate => "",
        Handed::Later(failure) | Handed::Never(failure) => failure.detail(),
    };
    match settlement {
        Settlement::Sent => {
            tracing::info!(message.id = %delivery.id, attempts, "a letter was sent");
        }
        Settlement::Retry { wait, error } | Settlement::Postpone { wait, error } => {
            tracing::warn!(
                message.id = %delivery.id,
                attempts,
                ?wait,
                reason = error.kind(),
                detail = why,
                "a letter could not be sent, will be retried"
            );
        }
        Settlement::Dead { error } => {
            tracing::error!(
                message.id = %delivery.id,
                attempts,
                reason = error.kind(),
                detail = why,
                "a letter was given up; fix the cause, then run: tillgate outbox retry {}",
                delivery.id
            );
        }
    }
}
