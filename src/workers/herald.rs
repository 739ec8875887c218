//! Tells merchants' sites what became of their orders, in the form of Standard Webhooks
//! (standardwebhooks.com): an id that stays the same for every attempt, the time of the attempt, and a signature over both
//! and the body.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, Method, header};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use super::dispatch::Dispatch;
use crate::flows::{Shop, checkout_of};
use crate::kernel::secret::webhook_key;
use crate::kernel::time::{between, later};
use crate::kernel::{Lane, Secret, SourceName, Timestamp};
use crate::peer::{Client, RetryPolicy};
use crate::store::{Batch, Claimed, Delivery, Settlement};
use crate::telemetry::metrics;

/// How long a merchant's site may take to answer, in seconds.
pub const CALL_SECONDS_MAX: u64 = 15;

/// How long a claim is held.
const LEASE: Duration = Duration::from_secs(60);

/// Sites that are called at the same moment.
const CALLS_AT_ONCE_MAX: usize = 32;

/// A site that could not be told for three days is told no more.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(5),
    longest: Duration::from_secs(12 * 3600),
    give_up_after: Duration::from_secs(3 * 24 * 3600),
};

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

    async fn deliver(&self, Claimed { delivery, ticket }: Claimed) -> Duration {
        let called = self.call(&delivery).await;
        let now = self.shop.clock.now();
        let (settlement, outcome) = match called {
            Ok(()) => (Settlement::Sent { at: now }, "sent"),
            Err(why) => {
                let age = delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, now));
                match RETRY.delay(delivery.attempts + 1, age, None) {
                    Some(delay) => {
                        (Settlement::Retry { at: now, due: later(now, delay), error: why }, "retry")
                    }
                    None => (Settlement::Dead { at: now, error: why }, "dead"),
                }
            }
        };
        metrics::outbox_attempt(Lane::Callback, outcome);
        match &settlement {
            Settlement::Sent { .. } => {
                tracing::info!(message.id = %delivery.id, merchant = delivery.queue, "a merchant was told");
            }
            Settlement::Retry { due, error, .. } => {
                tracing::warn!(message.id = %delivery.id, merchant = delivery.queue, %due, error, "a merchant could not be told and will be");
            }
            Settlement::Dead { error, .. } => {
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
        match self.shop.store.commit(batch).await {
            Ok(()) => self.shop.news.tell(delivery.id.number),
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "a call was not settled and may be made again, under the same id");
            }
        }
        Duration::ZERO
    }

    async fn call(&self, delivery: &Delivery) -> Result<(), String> {
        let ear = self.ears.get(&SourceName::new(delivery.queue.clone()));
        let ear = ear
            .ok_or_else(|| format!("no callback_secret is configured for the merchant {}", delivery.queue))?;
        let named = checkout_of(&self.shop, delivery.id.number).await.map_err(|why| why.to_string())?;
        let named = named.and_then(|checkout| checkout.ways.callback);
        let (client, url) = match (named, &ear.url) {
            (Some(url), _) => (&self.guarded, url),
            (None, Some(url)) => (&self.client, url.clone()),
            (None, None) => {
                return Err(format!("no callback_url is configured for the merchant {}", delivery.queue));
            }
        };
        let key = webhook_key(&ear.secret).ok_or("callback_secret is not whsec_ with base64")?;
        let (id, at) = (format!("msg_{}", delivery.id), self.shop.clock.now());
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
        let reply = client.call(Method::POST, &url, headers, body).await.map_err(|why| why.to_string())?;
        if reply.status.is_success() { Ok(()) } else { Err(format!("the site answered {}", reply.status)) }
    }
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
    fn a_secret_without_its_prefix_is_none() {
        assert_eq!(webhook_key(&Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")), None);
        assert_eq!(webhook_key(&Secret::new("whsec_%%%")), None);
    }
}
