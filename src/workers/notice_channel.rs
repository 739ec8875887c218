//! Notifications by a WebSocket that we open, for a shop that has no public address.
//!
//! What comes this way bears no signature, so it proves nothing, as a posted one without proof would not: it makes the
//! collector look. It is answered when that is durable.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flows::Shop;
use crate::flows::receive_notice::{Arrived, receive_notice};
use crate::kernel::{PartyName, Secret, Stopwatch};
use crate::payments::{Notice, NoticeStatus};
use crate::peer::{RetryPolicy, Socket};
use crate::telemetry::metrics;
use crate::webhooks::{self, Asked, Authentic, CallOutcome, Protocol, read_notice};

/// Between two attempts at opening the channel. It never gives up: who has no public address has no other road.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
    give_up_after: Duration::MAX,
};

/// A channel that was open for so long was a good one: the next attempt follows at once.
const GOOD_SECONDS_MIN: u64 = 60;

/// A channel to a payment system.
#[derive(Debug)]
pub struct NoticeChannel {
    /// Where what comes is kept.
    pub shop: Shop,
    /// The payment system.
    pub gateway: PartyName,
    /// Who we are there.
    pub account: String,
    /// Where it is, with the token.
    pub url: Secret,
    /// How what comes by it is read and answered.
    pub calls: Arc<dyn webhooks::NoticeChannel>,
    /// How notifications are read.
    pub protocol: Arc<dyn Protocol>,
}

impl NoticeChannel {
    /// Listens until drained.
    pub async fn run(self, drain: CancellationToken) {
        let mut failures = 0;
        loop {
            let watch = Stopwatch::start();
            let why = tokio::select! {
                () = drain.cancelled() => return,
                why = self.listen() => why,
            };
            failures =
                if watch.elapsed() >= Duration::from_secs(GOOD_SECONDS_MIN) { 1 } else { failures + 1 };
            let pause = RETRY.delay(failures, Duration::ZERO, None).unwrap_or(RETRY.longest);
            tracing::warn!(gateway = %self.gateway, reason = why, "the payment system's channel is not open and is opened again");
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Opens the channel and answers what comes. Returns why it has ended.
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
                tracing::error!(gateway = %self.gateway, reason = %unreadable, "what came by the channel cannot be read");
                return unreadable.answer;
            }
        };
        let answer = |outcome: CallOutcome<'_>| self.calls.answer(&call.id, outcome);
        match &call.asked {
            Asked::Status => answer(CallOutcome::Status),
            Asked::Else(method) => answer(CallOutcome::UnknownMethod(method)),
            Asked::Notices(bodies) => {
                // One that cannot be taken in keeps none of the others out.
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
        let notice = match read_notice(&*self.protocol, Authentic::unproved(body)) {
            Ok(notice) => notice,
            Err(rejection) => {
                metrics::notice_answered(gateway, "unreadable");
                return Err(rejection.detail);
            }
        };
        if notice.is_test {
            metrics::notice_answered(gateway, "test");
            return Ok(());
        }
        let status = match notice.status {
            NoticeStatus::Completed => "completed".to_owned(),
            NoticeStatus::Other(status) => status,
        };
        let notice = Notice { status: NoticeStatus::Other(status), ..notice };
        let body = bytes::Bytes::copy_from_slice(body);
        let arrived = Arrived {
            gateway: &self.gateway,
            account: &self.account,
            protocol: &*self.protocol,
            notice: &notice,
            body,
            is_proved: true,
        };
        match receive_notice(&self.shop, &arrived).await {
            Ok(noticed) => {
                metrics::notice_answered(gateway, noticed.verdict.as_str());
                tracing::info!(gateway, hook.id = %noticed.id, payment = notice.number, verdict = %noticed.verdict, "a notification came by the channel");
                // When it has overtaken what it is about, it is to come again, as when it is posted.
                if noticed.is_early { Err("the order is not known yet".into()) } else { Ok(()) }
            }
            Err(why) => {
                metrics::notice_answered(gateway, "unavailable");
                tracing::error!(gateway, payment = notice.number, error = %why, "a notification could not be kept");
                Err("try again later".into())
            }
        }
    }
}
