//! Tells merchants' sites what became of their orders, in the form of Standard Webhooks
//! (standardwebhooks.com): an id that stays the same for every attempt, the time of the attempt, and a signature over both
//! and the body.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, Method, header};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use super::dispatch::Dispatch;
use super::persistence::{persist, settle};
use crate::flows::Shop;
use crate::flows::alarm::{Alarm, raise};
use crate::flows::endpoint::{Endpoint, endpoint, set_gone};
use crate::flows::tend_delivery::{hurry_callbacks, named_address};
use crate::kernel::secret::webhook_key;
use crate::kernel::{Lane, Secret, SourceName, Timestamp};
use crate::peer::{Client, Reply, RetryPolicy};
use crate::store::{Batch, Claimed, Delivery, Settlement, Unavailable};
use crate::telemetry::metrics;

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
    pub ears: Arc<BTreeMap<SourceName, Ear>>,
}

/// The header `webhook-signature`.
#[must_use]
pub fn sign(key: &[u8], id: &str, at: Timestamp, body: &str) -> Option<String> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    let signed = format!("{id}.{}.{body}", at.as_second());
    Some(format!("v1,{}", BASE64.encode(mac.chain_update(signed).finalize().into_bytes())))
}

impl Herald {
    /// Runs until drained; calls under way are finished.
    pub async fn run(self, drain: CancellationToken) {
        let dispatch = Dispatch {
            shop: self.shop.clone(),
            lane: Lane::Callback,
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
            Ok(Attempt::Gone(url)) if delivery.id.is_of_no_order() => {
                (Settlement::Dead { error: format!("nobody listens at {url}: it answered 410") }, "gone")
            }
            Ok(Attempt::Gone(url)) => {
                let error = format!(
                    "nobody listens at {url}: it answered 410. Nothing more is sent there until POST \
                     /v1/deliveries/test gets a 2xx from it, or something is delivered again by hand"
                );
                (Settlement::Postpone { wait: GONE_LOOK_GAP, error }, "gone")
            }
            Ok(Attempt::Failed { why, wish, tried_for }) => {
                let wish = wish.map(|wish| wish.min(WISH_MAX));
                match RETRY.delay(delivery.attempts + 1, tried_for, wish) {
                    Some(delay) => (Settlement::Retry { wait: delay, error: why }, "retry"),
                    None => (Settlement::Dead { error: why }, "dead"),
                }
            }
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "a merchant could not be told and will be");
                return Duration::ZERO; // the lease runs out
            }
        };
        metrics::outbox_attempt(Lane::Callback, outcome);
        match &settlement {
            Settlement::Sent => {
                tracing::info!(message.id = %delivery.id, merchant = delivery.queue, "a merchant was told");
            }
            Settlement::Retry { wait, error } => {
                tracing::warn!(message.id = %delivery.id, merchant = delivery.queue, ?wait, error, "a merchant could not be told and will be");
            }
            Settlement::Postpone { wait, error } => {
                tracing::info!(message.id = %delivery.id, merchant = delivery.queue, ?wait, error, "a callback waits");
            }
            Settlement::Dead { error } if delivery.id.is_of_no_order() => {
                tracing::info!(message.id = %delivery.id, merchant = delivery.queue, error, "a merchant's test was not taken");
            }
            Settlement::Dead { error } => {
                tracing::error!(
                    message.id = %delivery.id,
                    merchant = delivery.queue,
                    error,
                    "a merchant was not told for three days: mend the cause, then: tillgate outbox retry {}", delivery.id
                );
            }
        }
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        match settle(&self.shop.store, delivery.id, &batch, SETTLE_WAIT).await {
            Ok(()) => self.shop.news.tell(delivery.id.number),
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "a call was not settled and may be made again, under the same id");
            }
        }
        Duration::ZERO
    }

    /// Calls the site, unless nobody listens there, and writes down what that shows of its address.
    async fn attempt(&self, delivery: &Delivery, at: Timestamp) -> Result<Attempt, Unavailable> {
        let merchant = SourceName::new(delivery.queue.clone());
        // Only the looks and notes are made again when the store is away for a moment: the site is called once.
        let (ear, client, url) = match persist(STORE_WAIT, || self.address(&merchant, delivery)).await? {
            Ok(address) => address,
            Err(why) => return Ok(Attempt::failed(why)),
        };
        let known = persist(STORE_WAIT, || endpoint(&self.shop, &merchant, &url)).await?;
        // What a person asks for is tried all the same: a test bears no order's number.
        let is_asked_for = delivery.by_hand || delivery.id.is_of_no_order();
        if known.gone_since.is_some() && !is_asked_for {
            return Ok(Attempt::Gone(url));
        }
        let reply = match self.call(ear, client, &url, delivery).await {
            Ok(reply) => reply,
            Err(why) => return Ok(Attempt::failed(why).after(&known, delivery, at)),
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
            if persist(STORE_WAIT, || set_gone(&self.shop, &merchant, &url, true)).await? {
                let text = format!(
                    "its site answered 410 at {url}: nothing more is sent there until a test is taken"
                );
                let alarm = (Alarm::NobodyListens, url.as_str());
                raise(&self.shop, &merchant, alarm, &text, self.shop.clock.now()).await?;
            }
            return Ok(Attempt::Gone(url));
        }
        let failed = Attempt::Failed {
            why: format!("the site answered {}", reply.status),
            wish: retry_after(&reply.headers, self.shop.clock.now()),
            tried_for: Duration::ZERO,
        };
        Ok(failed.after(&known, delivery, at))
    }

    /// Where a callback goes, and how; the error says what is not configured.
    async fn address(
        &self,
        merchant: &SourceName,
        delivery: &Delivery,
    ) -> Result<Result<(&Ear, &Client, String), String>, Unavailable> {
        let Some(ear) = self.ears.get(merchant) else {
            return Ok(Err(format!("no callback_secret is configured for the merchant {merchant}")));
        };
        Ok(match (named_address(&self.shop, delivery).await?, &ear.url) {
            (Some(url), _) => Ok((ear, &self.guarded, url)),
            (None, Some(url)) => Ok((ear, &self.client, url.clone())),
            (None, None) => Err(format!("no callback_url is configured for the merchant {merchant}")),
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
        let signature = sign(&key, &id, at, &delivery.body).ok_or("the callback cannot be signed")?;
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
        why: String,
        /// How long the site wants to be left alone.
        wish: Option<Duration>,
        /// How long it has been tried before.
        tried_for: Duration,
    },
}

impl Attempt {
    fn failed(why: String) -> Attempt {
        Attempt::Failed { why, wish: None, tried_for: Duration::ZERO }
    }

    fn after(self, known: &Endpoint, delivery: &Delivery, now: Timestamp) -> Attempt {
        let spent = delivery.first_failed_at.map_or(Duration::ZERO, |first| known.tried_for(first, now));
        match self {
            Attempt::Failed { why, wish, tried_for: _ } => Attempt::Failed { why, wish, tried_for: spent },
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
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_the_standard_one() {
        let key = webhook_key(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("a key");
        let at = Timestamp::from_second(1_614_265_330).expect("a time");
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_site_says_how_long_to_wait_in_seconds_or_by_a_date() {
        let now = "2026-11-28T07:00:00Z".parse().expect("a time");
        let wish = |text: &str| {
            let value = HeaderValue::from_str(text).expect("a header");
            retry_after(&HeaderMap::from_iter([(header::RETRY_AFTER, value)]), now).map(|wish| wish.as_secs())
        };
        assert_eq!(
            (wish("120"), wish(" 0 "), wish("Sat, 28 Nov 2026 07:02:00 GMT")),
            (Some(120), Some(0), Some(120))
        );
        assert_eq!(
            (wish("Saturday, 28-Nov-26 07:02:00 GMT"), wish("Sat Nov 28 07:02:00 2026")),
            (Some(120), Some(120))
        );
        let hour = WISH_MAX.as_secs();
        assert!(wish("18446744073709551616").is_some_and(|wish| wish >= hour));
        assert!(wish("Fri, 31 Dec 9999 23:59:59 GMT").is_some_and(|wish| wish >= hour));
        assert_eq!((wish("Sat, 28 Nov 2026 06:00:00 GMT"), wish("soon"), wish("-1")), (Some(0), None, None));
    }

    #[test]
    fn a_secret_without_its_prefix_is_none() {
        assert_eq!(webhook_key(&Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")), None);
        assert_eq!(webhook_key(&Secret::new("whsec_%%%")), None);
    }
}
