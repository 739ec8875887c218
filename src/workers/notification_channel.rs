//! Receives notifications over a WebSocket that we open, for an installation
//! without a public address.
//!
//! These notifications bear no signature, so they prove nothing, just like a
//! posted one without a signature. They only make the payment worker look the
//! payment up. A notification is answered when it is durable.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::Services;
use crate::flows::receive_notification::{Arrived, receive_notification};
use crate::kernel::{PartyName, Secret, Stopwatch};
use crate::payments::{Notification, NotificationStatus};
use crate::peer::{RetryPolicy, Socket};
use crate::telemetry::metrics;
use crate::webhooks::{self, Authentic, CallOutcome, ChannelRequest, Protocol, read_notification};

/// The pauses between attempts to open the channel. The attempts never end:
/// without a public address, there is no other way to get notifications.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
    give_up_after: Duration::MAX,
};

/// A channel that was open for this long was healthy: the pauses start from the
/// shortest one again.
const GOOD_SECONDS_MIN: u64 = 60;

/// A notification channel to a payment system.
#[derive(Debug)]
pub struct NotificationChannel {
    /// Stores what arrives.
    pub services: Services,
    pub gateway: PartyName,
    /// Our account at the payment system.
    pub account: String,
    /// The address of the channel, with the token.
    pub url: Secret,
    /// Parses the requests of the channel, and formats the answers.
    pub calls: Arc<dyn webhooks::NotificationChannel>,
    /// Parses notifications.
    pub protocol: Arc<dyn Protocol>,
}

impl NotificationChannel {
    /// Listens until drained.
    pub async fn run(self, drain: CancellationToken) {
        let mut failures = 0;
        loop {
            let watch = Stopwatch::start();
            let why = tokio::select! {
                () = drain.cancelled() => return,
                why = self.listen() => why,
            };
            failures = if watch.elapsed() >= Duration::from_secs(GOOD_SECONDS_MIN) {
                1
            } else {
                failures + 1
            };
            let pause = RETRY.delay(failures, Duration::ZERO, None).unwrap_or(RETRY.longest);
            tracing::warn!(
                gateway = %self.gateway,
                reason = why,
                "the payment system's channel is closed and will be opened again"
            );
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Opens the channel and answers what arrives. Returns why the channel
    /// ended.
    async fn listen(&self) -> String {
        let mut socket = match Socket::connect(self.url.expose()).await {
            Ok(socket) => socket,
            Err(why) => return why,
        };
        tracing::info!(gateway = %self.gateway, "the payment system's channel is open");
        loop {
            let text = match socket.next().await {
                Ok(text) => text,
                Err(why) => return why,
            };
            let answer = self.answer(&text).await;
            if let Err(why) = socket.send(answer).await {
                return why;
            }
        }
    }

    async fn answer(&self, text: &str) -> String {
        let call = match self.calls.read(text) {
            Ok(call) => call,
            Err(unreadable) => {
                tracing::error!(
                    gateway = %self.gateway,
                    reason = %unreadable,
                    "a request on the notification channel cannot be read"
                );
                return unreadable.answer;
            }
        };
        let answer = |outcome: CallOutcome<'_>| self.calls.answer(&call.id, outcome);
        match &call.request {
            ChannelRequest::Status => answer(CallOutcome::Status),
            ChannelRequest::Else(method) => answer(CallOutcome::UnknownMethod(method)),
            ChannelRequest::Notifications(bodies) => {
                // One that cannot be stored must not keep out the others.
                let mut failure = None;
                for body in bodies {
                    failure = self.keep(body).await.err().or(failure);
                }
                answer(failure.as_deref().map_or(CallOutcome::Kept, CallOutcome::NotKept))
            }
        }
    }

    async fn keep(&self, body: &[u8]) -> Result<(), String> {
        let gateway = self.gateway.as_str();
        let notification = match read_notification(&*self.protocol, Authentic::unproved(body)) {
            Ok(notification) => notification,
            Err(rejection) => {
                metrics::notification_answered(gateway, "unreadable");
                return Err(rejection.detail);
            }
        };
        if notification.is_test {
            metrics::notification_answered(gateway, "test");
            return Ok(());
        }
        let status = match notification.status {
            NotificationStatus::Completed => "completed".to_owned(),
            NotificationStatus::Other(status) => status,
        };
        let notification =
            Notification { status: NotificationStatus::Other(status), ..notification };
        let body = bytes::Bytes::copy_from_slice(body);
        let arrived = Arrived {
            gateway: &self.gateway,
            account: &self.account,
            protocol: &*self.protocol,
            notification: &notification,
            body,
            is_proved: true,
        };
        match receive_notification(&self.services, &arrived).await {
            Ok(received) => {
                metrics::notification_answered(gateway, received.verdict.as_str());
                tracing::info!(
                    gateway,
                    hook.id = %received.id,
                    payment = notification.number,
                    verdict = %received.verdict,
                    "a notification arrived over the channel"
                );
                // If it arrived before the order that it is about, the payment
                // system has to send it again, as when it is posted.
                if received.is_early { Err("the order is not known yet".into()) } else { Ok(()) }
            }
            Err(why) => {
                metrics::notification_answered(gateway, "unavailable");
                tracing::error!(
                    gateway,
                    payment = notification.number,
                    error = %why,
                    "a notification could not be stored"
                );
                Err("try again later".into())
            }
        }
    }
}
