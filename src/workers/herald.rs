//! Tells merchants' sites what became of their orders, in the form of Standard Webhooks
//! (standardwebhooks.com): an id that stays the same for every attempt, the time of the attempt, and a signature over both
//! and the body.

use crate::flows::effects::CALLBACKS;
use crate::flows::tend_delivery::is_test;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Method, header};
use tokio_util::sync::CancellationToken;

use super::dispatch::Dispatch;
use super::persistence::{persist, settle};
use crate::flows::Shop;
use crate::flows::alarm::{Alarm, raise};
use crate::flows::endpoint::{Endpoint, endpoint, set_gone};
use crate::flows::tend_delivery::{hurry_callbacks, named_address};
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::secret::webhook_key;
use crate::kernel::signature::sign_standard;
use crate::kernel::{Failure, PartyName, Secret, Timestamp};
use crate::outbox::{Claimed, Delivery, Settlement};
use crate::peer::{Client, Reply, RetryPolicy};
use crate::store::{Batch, Unavailable};
use crate::telemetry::metrics;
use crate::texts::{InWords, Language};

/// How long a merchant's site may take to answer, in seconds.
pub const CALL_SECONDS_MAX: u64 = 15;

/// How long the store may be away before each look or note, and for how long what became of a call is settled.
const STORE_WAIT: Duration = Duration::from_secs(5);
const SETTLE_WAIT: Duration = Duration::from_secs(15);

/// How long a claim is held: longer than a call, and the looks and notes before and after it, may take together.
const LEASE: Duration = Duration::from_secs(90);
const _: () =
    assert!(LEASE.as_secs() > CALL_SECONDS_MAX + 2 * (3 * STORE_WAIT.as_secs() + SETTLE_WAIT.as_secs()));

/// Sites that are called at the same moment.
const CALLS_AT_ONCE_MAX: usize = 32;

/// A site that could not be told for three days is told no more.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(5),
    longest: Duration::from_secs(12 * 3600),
    give_up_after: Duration::from_secs(3 * 24 * 3600),
};

/// The longest that a site's `Retry-After` is heeded for.
const WISH_MAX: Duration = Duration::from_secs(3600);

/// The status of an address at which nobody listens any more.
const GONE: u16 = 410;

/// How often it is seen whether somebody listens again.
const GONE_LOOK_GAP: Duration = Duration::from_secs(600);

/// Where a merchant wants to hear of its orders.
#[derive(Debug, Clone)]
pub struct Ear {
    /// The address for orders that name none.
    pub url: Option<String>,
    /// The key of the signature, as it is configured: `whsec_` and base64.
    pub secret: Secret,
}

/// What the herald needs.
#[derive(Debug, Clone)]
pub struct Herald {
    /// The outbox.
    pub shop: Shop,
    /// How sites are called at addresses of the configuration.
    pub client: Client,
    /// How they are called at addresses that came with an order.
    pub guarded: Client,
    /// Who wants to hear.
    pub ears: Arc<BTreeMap<PartyName, Ear>>,
}

impl Herald {
    /// Runs until drained; calls under way are finished.
    pub async fn run(self, drain: CancellationToken) {
        let dispatch = Dispatch {
            shop: self.shop.clone(),
            lane: CALLBACKS,
            lease: LEASE,
            at_once_max: CALLS_AT_ONCE_MAX,
            at_once_of_queue_max: CALLS_AT_ONCE_MAX / 4,
            one_at_a_time: false,
        };
        let herald = Arc::new(self);
        let deliver = move |claimed| {
            let herald = Arc::clone(&herald);
            async move { herald.deliver(claimed).await }
        };
        dispatch.run(deliver, drain).await;
    }

    async fn deliver(&self, Claimed { delivery, ticket, at }: Claimed) -> Duration {
        let called = self.attempt(&delivery, at).await;
        let (settlement, outcome) = match called {
            Ok(Attempt::Taken) => (Settlement::Sent, "sent"),
            // A test is asked for again by a person.
            Ok(Attempt::Gone(url)) if is_test(&delivery) => {
                (Settlement::Dead { error: Failure::of(&DeliveryFailure::Gone { url }) }, "gone")
            }
            Ok(Attempt::Gone(url)) => {
                let error = Failure::of(&DeliveryFailure::Gone { url });
                (Settlement::Postpone { wait: GONE_LOOK_GAP, error }, "gone")
            }
            Ok(Attempt::Failed { failure, wish, tried_for }) => {
                let error = Failure::of(&failure);
                let wish = wish.map(|wish| wish.min(WISH_MAX));
                match RETRY.delay(delivery.attempts + 1, tried_for, wish) {
                    Some(delay) => (Settlement::Retry { wait: delay, error }, "retry"),
                    None => (Settlement::Dead { error }, "dead"),
                }
            }
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "a merchant could not be told and will be");
                return Duration::ZERO; // the lease runs out
            }
        };
        metrics::outbox_attempt(CALLBACKS, outcome);
        match &settlement {
            Settlement::Sent => {
                tracing::info!(message.id = %delivery.id, merchant = delivery.queue, "a merchant was told");
            }
            Settlement::Retry { wait, error } => {
                tracing::warn!(message.id = %delivery.id, merchant = delivery.queue, ?wait, error = %error.in_words(Language::En), "a merchant could not be told and will be");
            }
            Settlement::Postpone { wait, error } => {
                tracing::info!(message.id = %delivery.id, merchant = delivery.queue, ?wait, error = %error.in_words(Language::En), "a callback waits");
            }
            Settlement::Dead { error } if is_test(&delivery) => {
                tracing::info!(message.id = %delivery.id, merchant = delivery.queue, error = %error.in_words(Language::En), "a merchant's test was not taken");
            }
            Settlement::Dead { error } => {
                tracing::error!(
                    message.id = %delivery.id,
                    merchant = delivery.queue,
                    error = %error.in_words(Language::En),
                    "a merchant was not told for three days: mend the cause, then: tillgate outbox retry {}", delivery.id
                );
            }
        }
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        match settle(&self.shop.store, delivery.id, &batch, SETTLE_WAIT).await {
            Ok(()) => self.shop.news.tell(delivery.id.subject),
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "a call was not settled and may be made again, under the same id");
            }
        }
        Duration::ZERO
    }

    /// Calls the site, unless nobody listens there, and writes down what that shows of its address.
    async fn attempt(&self, delivery: &Delivery, at: Timestamp) -> Result<Attempt, Unavailable> {
        let merchant = PartyName::new(delivery.queue.clone());
        // Only the looks and notes are made again when the store is away for a moment: the site is called once.
        let (ear, client, url) = match persist(STORE_WAIT, || self.address(&merchant, delivery)).await? {
            Ok(address) => address,
            Err(failure) => return Ok(Attempt::failed(failure)),
        };
        let known = persist(STORE_WAIT, || endpoint(&self.shop, &merchant, &url)).await?;
        // What a person asks for is tried all the same: a test bears no order's number.
        let is_asked_for = delivery.by_hand || is_test(delivery);
        if known.gone_since.is_some() && !is_asked_for {
            return Ok(Attempt::Gone(url));
        }
        let reply = match self.call(ear, client, &url, delivery).await {
            Ok(reply) => reply,
            Err(said) => {
                let failure = DeliveryFailure::NotSent { said };
                return Ok(Attempt::failed(failure).after(&known, delivery, at));
            }
        };
        let is_gone = reply.status.as_u16() == GONE;
        if reply.status.is_success() {
            let noted = persist(STORE_WAIT, async || {
                if set_gone(&self.shop, &merchant, &url, false).await? {
                    tracing::info!(merchant = %merchant, url, "somebody listens there again: what waits is sent");
                    hurry_callbacks(&self.shop, &merchant, &url, ear.url.as_deref()).await?;
                }
                Ok::<_, Unavailable>(())
            });
            if let Err(why) = noted.await {
                // It was taken all the same. The next that is taken there notes it.
                tracing::warn!(merchant = %merchant, url, error = %why, "the site took a callback, but the store could not record that its address works again; the next callback does");
            }
            return Ok(Attempt::Taken);
        }
        if is_gone {
            let noted = persist(STORE_WAIT, || async {
                // The alarm first: should this end in between, the next attempt does both.
                if endpoint(&self.shop, &merchant, &url).await?.gone_since.is_none() {
                    let alarm = Alarm::NobodyListens { url: url.clone() };
                    raise(&self.shop, &merchant, &alarm, self.shop.clock.now()).await?;
                }
                set_gone(&self.shop, &merchant, &url, true).await
            });
            noted.await?;
            return Ok(Attempt::Gone(url));
        }
        let failed = Attempt::Failed {
            failure: DeliveryFailure::Answered { status: reply.status.to_string() },
            wish: retry_after(&reply.headers, self.shop.clock.now()),
            tried_for: Duration::ZERO,
        };
        Ok(failed.after(&known, delivery, at))
    }

    /// Where a callback goes, and how; the error says what is not configured.
    async fn address(
        &self,
        merchant: &PartyName,
        delivery: &Delivery,
    ) -> Result<Result<(&Ear, &Client, String), DeliveryFailure>, Unavailable> {
        let Some(ear) = self.ears.get(merchant) else {
            let setting = format!("callback_secret in [merchants.{merchant}]");
            return Ok(Err(DeliveryFailure::SettingMissing { setting }));
        };
        Ok(match (named_address(&self.shop, delivery).await?, &ear.url) {
            (Some(url), _) => Ok((ear, &self.guarded, url)),
            (None, Some(url)) => Ok((ear, &self.client, url.clone())),
            (None, None) => {
                let setting = format!("callback_url in [merchants.{merchant}]");
                Err(DeliveryFailure::SettingMissing { setting })
            }
        })
    }

    async fn call(
        &self,
        ear: &Ear,
        client: &Client,
        url: &str,
        delivery: &Delivery,
    ) -> Result<Reply, String> {
        let key = webhook_key(&ear.secret).ok_or("callback_secret is not whsec_ with base64")?;
        let (id, at) = (format!("msg_{}", delivery.id), self.shop.clock.now()); // the site compares it with its own
        let signature =
            sign_standard(&key, &id, at, delivery.body.as_bytes()).ok_or("the callback cannot be signed")?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let named = [
            ("webhook-id", id),
            ("webhook-timestamp", at.as_second().to_string()),
            ("webhook-signature", signature),
        ];
        for (name, value) in named {
            let value =
                HeaderValue::from_str(&value).map_err(|_| format!("{name} cannot stand in a header"))?;
            headers.insert(name, value);
        }
        let body = delivery.body.clone().into_bytes();
        client.call(Method::POST, url, headers, body).await.map_err(|why| why.to_string())
    }
}

/// What an attempt came to.
enum Attempt {
    Taken,
    /// Nobody listens at this address.
    Gone(String),
    Failed {
        failure: DeliveryFailure,
        /// How long the site wants to be left alone.
        wish: Option<Duration>,
        /// How long it has been tried before.
        tried_for: Duration,
    },
}

impl Attempt {
    fn failed(failure: DeliveryFailure) -> Attempt {
        Attempt::Failed { failure, wish: None, tried_for: Duration::ZERO }
    }

    fn after(self, known: &Endpoint, delivery: &Delivery, now: Timestamp) -> Attempt {
        let spent = delivery.first_failed_at.map_or(Duration::ZERO, |first| known.tried_for(first, now));
        match self {
            Attempt::Failed { failure, wish, tried_for: _ } => {
                Attempt::Failed { failure, wish, tried_for: spent }
            }
            Attempt::Taken | Attempt::Gone(_) => self,
        }
    }
}

/// How long a site wants to be left alone, by its `Retry-After`: seconds, or a date in any of HTTP's three forms.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than can be counted is more than is heeded.
        return Some(text.parse().map_or(WISH_MAX, Duration::from_secs));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millisecond()).unwrap_or(0));
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests;
