//! `POST /hooks/{name}` of a payment system: receives a notification, from its
//! bytes to the answer.
//!
//! The protocol of the sender decides the answer and its status: Invoicebox
//! reads the body and always gets 200, YooKassa reads only the status.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

use super::body::{read_body, too_large, unpack};
use super::log::milliseconds;
use super::reply::answer;
use super::work::KEEPING_MILLISECONDS_MAX;
use super::work::see_through;
use super::{AppState, SourceEndpoint};
use crate::dedup::Answer;
use crate::flows::Hook;
use crate::flows::receive_notification::{Arrived, receive_notification};
use crate::flows::reject_hook::reject;
use crate::kernel::{Stopwatch, same_id};
use crate::telemetry::metrics;
use crate::texts::{Language, Localized};
use crate::webhooks::verify::CheckedHead;
use crate::webhooks::{AuthError, Outcome, Rejection, Sender, read_notification};

/// Handles a notification of a payment system.
pub async fn receive<B>(
    app: &Arc<AppState>,
    endpoint: &Arc<SourceEndpoint>,
    account: &str,
    address: Option<IpAddr>,
    headers: HeaderMap,
    body: B,
) -> Response
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    let sender = Sender { address, headers: &headers, now: app.services.clock.now() };
    let head = match endpoint.verifier.check_head(sender) {
        Ok(head) => head,
        Err(why) => return answer(refuse(app, endpoint, why)),
    };
    let Ok(place) = Arc::clone(&app.notifications_at_once).try_acquire_owned() else {
        return answer(answer_to(endpoint, Outcome::Unavailable));
    };
    let (bytes, is_whole) = match read_body(body).await {
        Ok(read) => read,
        Err(_) => return answer(answer_to(endpoint, Outcome::Unavailable)),
    };
    // As with hooks: when the sender closes the connection, the work continues.
    let posted = Posted { account: account.to_owned(), head, address, headers, bytes, is_whole };
    let taking = take(Arc::clone(app), Arc::clone(endpoint), posted);
    let work = async move {
        let taken = taking.await;
        drop(place);
        taken
    };
    match see_through(Box::pin(work), Duration::from_millis(KEEPING_MILLISECONDS_MAX)).await {
        Ok(taken) => answer(taken),
        Err(unfinished) => {
            tracing::error!(
                gateway = %endpoint.source,
                error = %unfinished,
                "a notification was not processed in time; the payment system was asked to send \
                it again"
            );
            answer(answer_to(endpoint, Outcome::Unavailable))
        }
    }
}

/// A notification as it was posted.
struct Posted {
    /// Our account at the payment system.
    account: String,
    head: CheckedHead,
    address: Option<IpAddr>,
    headers: HeaderMap,
    bytes: Bytes,
    is_whole: bool,
}

/// The answer in the protocol of the sender. Where the protocol has none for an
/// outcome, it is a plain HTTP status, and never a 200 for a notification that
/// was not recorded.
fn answer_to(endpoint: &SourceEndpoint, outcome: Outcome<'_>) -> Answer {
    endpoint.protocol.answer(outcome).unwrap_or_else(|| match outcome {
        Outcome::Order { .. } | Outcome::Payment { .. } | Outcome::Test { .. } => Answer::empty(),
        Outcome::Unauthenticated => Answer { status: 403, ..Answer::empty() },
        Outcome::Unusable(_) => Answer { status: 400, ..Answer::empty() },
        Outcome::Unavailable => Answer { status: 503, ..Answer::empty() },
    })
}

fn refuse(app: &AppState, endpoint: &SourceEndpoint, why: AuthError) -> Answer {
    let gateway = endpoint.source.as_str();
    metrics::notification_answered(gateway, "forged");
    if let Some(times) = app.refusals.notifications.due_times() {
        tracing::warn!(
            gateway,
            times,
            reason = %why,
            "notifications with a missing or wrong signature or address were refused"
        );
    }
    answer_to(endpoint, Outcome::Unauthenticated)
}

async fn take(app: Arc<AppState>, endpoint: Arc<SourceEndpoint>, posted: Posted) -> Answer {
    let watch = Stopwatch::start();
    let Posted { account, head, address, headers, bytes, is_whole } = posted;
    let SourceEndpoint { source, verifier, protocol, .. } = &*endpoint;
    let gateway = source.as_str();
    if !is_whole {
        metrics::notification_answered(gateway, "too_large");
        return answer_to(&endpoint, Outcome::Unusable(&too_large().into()));
    }
    let sender = Sender { address, headers: &headers, now: app.services.clock.now() };
    let authentic = match verifier.verify_body(head, sender, &bytes) {
        Ok(authentic) => authentic,
        Err(why) => return refuse(&app, &endpoint, why),
    };
    let read = unpack(&headers, &bytes).map_err(Rejection::from).and_then(|plain| {
        let inbound = read_notification(&**protocol, authentic.unpacked(&plain))?;
        Ok((inbound, plain))
    });
    let (notification, plain) = match read {
        Ok(read) => read,
        Err(rejection) => {
            metrics::notification_answered(gateway, "unreadable");
            let answer = answer_to(&endpoint, Outcome::Unusable(&rejection));
            if !verifier.proves_sender() {
                if let Some(times) = app.refusals.unreadable.due_times() {
                    tracing::warn!(
                        gateway,
                        times,
                        reason = %rejection,
                        "notifications of unauthenticated senders cannot be read"
                    );
                }
                return answer;
            }
            tracing::error!(
                gateway,
                reason = %rejection,
                "a notification of the payment system cannot be read"
            );
            let hook = Hook::new(source.clone(), "payment".into(), None, None, bytes.clone());
            let kept = reject(&app.services, hook, &rejection.detail, bytes.len() as u64).await;
            return if kept.is_ok() { answer } else { answer_to(&endpoint, Outcome::Unavailable) };
        }
    };
    if notification.is_test {
        let is_ours = notification.account.as_deref().is_some_and(|named| same_id(named, &account));
        metrics::notification_answered(gateway, "test");
        tracing::info!(gateway, is_ours, "the payment system sent a test notification");
        return answer_to(&endpoint, Outcome::Test { is_ours });
    }
    let arrived = Arrived {
        gateway: source,
        account: &account,
        protocol: &**protocol,
        notification: &notification,
        body: plain,
        is_proved: verifier.proves_sender(),
    };
    match receive_notification(&app.services, &arrived).await {
        Ok(received) => {
            metrics::notification_answered(gateway, received.verdict.as_str());
            tracing::info!(
                gateway,
                hook.id = %received.id,
                payment = notification.number,
                verdict = %received.verdict,
                reason = received
                    .reason
                    .map(|reason| tracing::field::display(reason.in_words(Language::En))),
                duration_ms = milliseconds(watch.elapsed()),
                "notification answered"
            );
            received.answer
        }
        Err(why) => {
            metrics::notification_answered(gateway, "unavailable");
            tracing::error!(
                gateway,
                payment = notification.number,
                error = %why,
                "a notification could not be stored; the payment system was asked to send it again"
            );
            answer_to(&endpoint, Outcome::Unavailable)
        }
    }
}
