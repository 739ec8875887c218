//! Sends callbacks to merchants' sites, in the form of Standard Webhooks
//! (standardwebhooks.com): an id that stays the same for every attempt, the
//! time of the attempt, and a signature over both and the body.

use crate::flows::effects::CALLBACKS;
use crate::flows::settle_delivery::is_test;
use crate::kernel::Stopwatch;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Method, header};
use tokio_util::sync::CancellationToken;

use crate::flows::Services;
use crate::flows::alarm::{Alarm, raise};
use crate::flows::endpoint::{Endpoint, endpoint_at, set_gone};
use crate::flows::settle_delivery::{named_address, retry_callbacks_now};
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::secret::webhook_key;
use crate::kernel::signature::sign_standard;
use crate::kernel::{Failure, PartyName, Secret, Timestamp};
use crate::outbox::{Claimed, Delivery, Settlement};
use crate::peer::{Client, Reply, RetryPolicy};
use crate::store::dispatch::Dispatch;
use crate::store::persistence::{persist, settle};
use crate::store::{Batch, Unavailable};
use crate::telemetry::metrics;
use crate::texts::{Language, Localized};

/// How long a merchant's site may take to answer, in seconds.
pub const CALL_SECONDS_MAX: u64 = 15;

/// How long each store operation before and after a call is retried while the
/// store is unavailable.
const STORE_WAIT: Duration = Duration::from_secs(5);
/// How long the settlement of a call is retried.
const SETTLE_WAIT: Duration = Duration::from_secs(15);

/// How long a claim is held: longer than a call and the store operations before
/// and after it may take together.
const LEASE: Duration = Duration::from_secs(90);
const _: () = assert!(
    LEASE.as_secs() > CALL_SECONDS_MAX + 2 * (3 * STORE_WAIT.as_secs() + SETTLE_WAIT.as_secs())
);

/// Calls that are in progress at the same time.
const CALLS_AT_ONCE_MAX: usize = 32;

/// A callback that fails for three days becomes a dead letter.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(5),
    longest: Duration::from_secs(12 * 3600),
    give_up_after: Duration::from_secs(3 * 24 * 3600),
};

/// The longest `Retry-After` of a site that is respected.
const WISH_MAX: Duration = Duration::from_secs(3600);

/// The HTTP status by which a site says that it takes no more callbacks at an
/// address.
const GONE: u16 = 410;

/// How often a callback to such an address checks whether the address works
/// again.
const GONE_LOOK_GAP: Duration = Duration::from_secs(600);

/// Where a merchant receives callbacks.
#[derive(Debug, Clone)]
pub struct CallbackEndpoint {
    /// The address for orders that name none.
    pub url: Option<String>,
    /// The signing key in the form of the configuration: `whsec_` and base64.
    pub secret: Secret,
}

/// Sends callbacks to merchants' sites.
#[derive(Debug, Clone)]
pub struct CallbackSender {
    /// Gives access to the outbox.
    pub services: Services,
    /// Calls addresses of the configuration.
    pub client: Client,
    /// Calls addresses that came with an order; it refuses those in private
    /// networks that are not allowed.
    pub guarded: Client,
    /// The merchants that receive callbacks.
    pub endpoints: Arc<BTreeMap<PartyName, CallbackEndpoint>>,
}

impl CallbackSender {
    /// Runs until drained; calls under way are finished.
    pub async fn run(self, drain: CancellationToken) {
        let dispatch = Dispatch {
            store: self.services.store.clone(),
            lane: CALLBACKS,
            lease: LEASE,
            at_once_max: CALLS_AT_ONCE_MAX,
            at_once_of_queue_max: CALLS_AT_ONCE_MAX / 4,
            one_at_a_time: false,
            takes_new: false,
        };
        let callback_sender = Arc::new(self);
        let deliver = move |claimed| {
            let callback_sender = Arc::clone(&callback_sender);
            async move { callback_sender.deliver(claimed).await }
        };
        dispatch.run(deliver, drain).await;
    }

    async fn deliver(&self, Claimed { delivery, ticket, at }: Claimed) -> Duration {
        let called = self.attempt(&delivery, at).await;
        let (settlement, outcome) = match called {
            Ok(Attempt::Taken) => (Settlement::Sent, "sent"),
            // A test is not retried: a person asks for the next one.
            Ok(Attempt::Gone(url)) if is_test(&delivery) => {
                (Settlement::Dead { error: Failure::of(&DeliveryFailure::Gone { url }) }, "gone")
            }
            Ok(Attempt::Gone(url)) => {
                let error = Failure::of(&DeliveryFailure::Gone { url });
                (Settlement::Postpone { wait: GONE_LOOK_GAP, error }, "gone")
            }
            Ok(Attempt::Failed { failure, retry_after, tried_for }) => {
                let error = Failure::of(&failure);
                let retry_after = retry_after.map(|retry_after| retry_after.min(WISH_MAX));
                match RETRY.delay(delivery.attempts + 1, tried_for, retry_after) {
                    Some(delay) => (Settlement::Retry { wait: delay, error }, "retry"),
                    None => (Settlement::Dead { error }, "dead"),
                }
            }
            Err(why) => {
                tracing::warn!(
                    message.id = %delivery.id,
                    error = %why,
                    "a callback could not be processed because of the store; it is retried when \
                     its lease expires"
                );
                return Duration::ZERO; // until the lease expires
            }
        };
        metrics::outbox_attempt(CALLBACKS, outcome);
        match &settlement {
            Settlement::Sent => {
                tracing::info!(
                    message.id = %delivery.id,
                    merchant = delivery.queue,
                    "a callback was delivered"
                );
            }
            Settlement::Retry { wait, error } => {
                tracing::warn!(
                    message.id = %delivery.id,
                    merchant = delivery.queue,
                    ?wait,
                    error = %error.in_words(Language::En),
                    "a callback failed, will be retried"
                );
            }
            Settlement::Postpone { wait, error } => {
                tracing::info!(
                    message.id = %delivery.id,
                    merchant = delivery.queue,
                    ?wait,
                    error = %error.in_words(Language::En),
                    "a callback waits until its address works again"
                );
            }
            Settlement::Dead { error } if is_test(&delivery) => {
                tracing::info!(
                    message.id = %delivery.id,
                    merchant = delivery.queue,
                    error = %error.in_words(Language::En),
                    "a test callback failed"
                );
            }
            Settlement::Dead { error } => {
                tracing::error!(
                    message.id = %delivery.id,
                    merchant = delivery.queue,
                    error = %error.in_words(Language::En),
                    "a callback failed for three days and was given up; fix the cause, then run: \
                     tillgate outbox retry {}",
                    delivery.id
                );
            }
        }
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        match settle(&self.services.store, delivery.id, &batch, SETTLE_WAIT).await {
            Ok(()) => self.services.change_feed.publish(delivery.id.subject),
            Err(why) => {
                tracing::warn!(
                    message.id = %delivery.id,
                    error = %why,
                    "a callback was not settled and may be sent again, under the same id"
                );
            }
        }
        Duration::ZERO
    }

    /// Calls the site, unless it has answered 410 at this address, and records
    /// what its answer shows of the address.
    async fn attempt(&self, delivery: &Delivery, at: Timestamp) -> Result<Attempt, Unavailable> {
        let merchant = PartyName::new(delivery.queue.clone());
        // Only the store operations are retried while the store is unavailable:
        // the site is called once.
        let (endpoint, client, url) =
            match persist(STORE_WAIT, || self.address(&merchant, delivery)).await? {
                Ok(address) => address,
                Err(failure) => return Ok(Attempt::failed(failure)),
            };
        let known = persist(STORE_WAIT, || endpoint_at(&self.services, &merchant, &url)).await?;
        // What a person asks for is sent anyway. A test is always asked for,
        // and belongs to no order.
        let is_asked_for = delivery.by_hand || is_test(delivery);
        if known.gone_since.is_some() && !is_asked_for {
            return Ok(Attempt::Gone(url));
        }
        let reply = match self.call(endpoint, client, &url, delivery).await {
            Ok(reply) => reply,
            Err(said) => {
                let failure = DeliveryFailure::NotSent { said };
                return Ok(Attempt::failed(failure).after(&known, delivery, at));
            }
        };
        let is_gone = reply.status.as_u16() == GONE;
        if reply.status.is_success() {
            let noted = persist(STORE_WAIT, async || {
                if set_gone(&self.services, &merchant, &url, false).await? {
                    tracing::info!(
                        merchant = %merchant,
                        url,
                        "the address works again: waiting callbacks are sent"
                    );
                    retry_callbacks_now(&self.services, &merchant, &url, endpoint.url.as_deref())
                        .await?;
                }
                Ok::<_, Unavailable>(())
            });
            if let Err(why) = noted.await {
                // The callback was delivered anyway. The next one that is
                // delivered there records it.
                tracing::warn!(
                    merchant = %merchant,
                    url,
                    error = %why,
                    "a callback was delivered, but the store could not record that its address \
                     works again; the next callback will"
                );
            }
            return Ok(Attempt::Taken);
        }
        if is_gone {
            let noted = persist(STORE_WAIT, || async {
                // The alarm comes first: if this ends in between, the next
                // attempt does both.
                if endpoint_at(&self.services, &merchant, &url).await?.gone_since.is_none() {
                    let alarm = Alarm::NobodyListens { url: url.clone() };
                    raise(&self.services, &merchant, &alarm, self.services.clock.now()).await?;
                }
                set_gone(&self.services, &merchant, &url, true).await
            });
            noted.await?;
            return Ok(Attempt::Gone(url));
        }
        let failed = Attempt::Failed {
            failure: DeliveryFailure::Answered { status: reply.status.to_string() },
            retry_after: retry_after(&reply.headers, self.services.clock.now()),
            tried_for: Duration::ZERO,
        };
        Ok(failed.after(&known, delivery, at))
    }

    /// The endpoint, the client and the address of a callback; the error says
    /// what is not configured.
    async fn address(
        &self,
        merchant: &PartyName,
        delivery: &Delivery,
    ) -> Result<Result<(&CallbackEndpoint, &Client, String), DeliveryFailure>, Unavailable> {
        let Some(endpoint) = self.endpoints.get(merchant) else {
            let setting = format!("callback_secret in [merchants.{merchant}]");
            return Ok(Err(DeliveryFailure::SettingMissing { setting }));
        };
        Ok(match (named_address(&self.services, delivery).await?, &endpoint.url) {
            (Some(url), _) => Ok((endpoint, &self.guarded, url)),
            (None, Some(url)) => Ok((endpoint, &self.client, url.clone())),
            (None, None) => {
                let setting = format!("callback_url in [merchants.{merchant}]");
                Err(DeliveryFailure::SettingMissing { setting })
            }
        })
    }

    async fn call(
        &self,
        endpoint: &CallbackEndpoint,
        client: &Client,
        url: &str,
        delivery: &Delivery,
    ) -> Result<Reply, String> {
        let key =
            webhook_key(&endpoint.secret).ok_or("callback_secret is not whsec_ with base64")?;
        // The site compares the time with its own clock.
        let (id, at) = (format!("msg_{}", delivery.id), self.services.clock.now());
        let signature = sign_standard(&key, &id, at, delivery.body.as_bytes())
            .ok_or("the callback cannot be signed")?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let named = [
            ("webhook-id", id),
            ("webhook-timestamp", at.as_second().to_string()),
            ("webhook-signature", signature),
        ];
        for (name, value) in named {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| format!("{name} is not a valid header value"))?;
            headers.insert(name, value);
        }
        let body = delivery.body.clone().into_bytes();
        let watch = Stopwatch::start();
        let reply = client.call(Method::POST, url, headers, body).await;
        let outcome = match &reply {
            Ok(reply) if reply.status.is_success() => "accepted",
            Ok(_) => "refused",
            Err(_) => "failed",
        };
        metrics::peer_call(&delivery.queue, outcome, watch.elapsed());
        reply.map_err(|why| why.to_string())
    }
}

/// The result of an attempt to send a callback.
enum Attempt {
    Taken,
    /// The site takes no more callbacks at this address.
    Gone(String),
    Failed {
        failure: DeliveryFailure,
        /// How long the site asks us to wait.
        retry_after: Option<Duration>,
        /// For how long earlier attempts have failed.
        tried_for: Duration,
    },
}

impl Attempt {
    fn failed(failure: DeliveryFailure) -> Attempt {
        Attempt::Failed { failure, retry_after: None, tried_for: Duration::ZERO }
    }

    fn after(self, known: &Endpoint, delivery: &Delivery, now: Timestamp) -> Attempt {
        let spent =
            delivery.first_failed_at.map_or(Duration::ZERO, |first| known.tried_for(first, now));
        match self {
            Attempt::Failed { failure, retry_after, tried_for: _ } => {
                Attempt::Failed { failure, retry_after, tried_for: spent }
            }
            Attempt::Taken | Attempt::Gone(_) => self,
        }
    }
}

/// How long a site asks us to wait, by its `Retry-After`: seconds, or a date in
/// any of HTTP's three forms.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit is above the limit anyway.
        return Some(text.parse().map_or(WISH_MAX, Duration::from_secs));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millisecond()).unwrap_or(0));
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests;
