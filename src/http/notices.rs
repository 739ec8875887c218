//! `POST /hooks/{name}` of a payment system: a notification, from its bytes to its answer.
//!
//! What is answered, and with which status, is the sender's protocol: Invoicebox reads the body and gets 200 whatever
//! happens, YooKassa reads the status and nothing else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;

use super::body::{read_body, too_large, unpack};
use super::log::milliseconds;
use super::reply::answer;
use super::work::KEEPING_MILLISECONDS_MAX;
use super::work::see_through;
use super::{Edge, SourceEndpoint};
use crate::dedup::Answer;
use crate::flows::Hook;
use crate::flows::receive_notice::{Arrived, receive_notice};
use crate::flows::reject_hook::reject;
use crate::kernel::{Stopwatch, same_id};
use crate::telemetry::metrics;
use crate::texts::{InWords, Language};
use crate::webhooks::{AuthError, Outcome, Rejection, Sender, read_notice};

/// Takes a notification.
pub async fn receive(
    edge: Arc<Edge>,
    endpoint: Arc<SourceEndpoint>,
    account: String,
    address: Option<IpAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let sender = Sender { address, headers: &headers, now: edge.shop.clock.now() };
    if let Err(why) = endpoint.verifier.refuse_early(sender) {
        return answer(refuse(&edge, &endpoint, why));
    }
    let Ok(place) = Arc::clone(&edge.notices_at_once).try_acquire_owned() else {
        return answer(answer_to(&endpoint, Outcome::Unavailable));
    };
    let (bytes, is_whole) = match read_body(body).await {
        Ok(read) => read,
        Err(_) => return answer(answer_to(&endpoint, Outcome::Unavailable)),
    };
    // As with hooks: the sender's hanging up ends the waiting and not the work.
    let posted = Posted { account, address, headers, bytes, is_whole };
    let taking = take(edge, Arc::clone(&endpoint), posted);
    let work = async move {
        let taken = taking.await;
        drop(place);
        taken
    };
    match see_through(Box::pin(work), Duration::from_millis(KEEPING_MILLISECONDS_MAX)).await {
        Ok(taken) => answer(taken),
        Err(unfinished) => {
            tracing::error!(gateway = %endpoint.source, error = %unfinished, "a notification was not taken in");
            answer(answer_to(&endpoint, Outcome::Unavailable))
        }
    }
}

/// A notification that was posted.
struct Posted {
    /// Who we are at the payment system.
    account: String,
    address: Option<IpAddr>,
    headers: HeaderMap,
    bytes: Bytes,
    is_whole: bool,
}

/// The answer in the sender's words. Where it has none for an outcome it is HTTP's own, never a 200 for what was not taken
/// in.
fn answer_to(endpoint: &SourceEndpoint, outcome: Outcome<'_>) -> Answer {
    endpoint.protocol.answer(outcome).unwrap_or_else(|| match outcome {
        Outcome::Order { .. } | Outcome::Payment { .. } | Outcome::Test { .. } => Answer::empty(),
        Outcome::Unauthenticated => Answer { status: 403, ..Answer::empty() },
        Outcome::Unusable(_) => Answer { status: 400, ..Answer::empty() },
        Outcome::Unavailable => Answer { status: 503, ..Answer::empty() },
    })
}

fn refuse(edge: &Edge, endpoint: &SourceEndpoint, why: AuthError) -> Answer {
    let gateway = endpoint.source.as_str();
    metrics::notice_answered(gateway, "forged");
    if let Some(times) = edge.refusals.notices.tells() {
        tracing::warn!(gateway, times, reason = %why, "notifications without proof of their sender were refused");
    }
    answer_to(endpoint, Outcome::Unauthenticated)
}

async fn take(edge: Arc<Edge>, endpoint: Arc<SourceEndpoint>, posted: Posted) -> Answer {
    let watch = Stopwatch::start();
    let Posted { account, address, headers, bytes, is_whole } = posted;
    let SourceEndpoint { source, verifier, protocol, .. } = &*endpoint;
    let gateway = source.as_str();
    if !is_whole {
        metrics::notice_answered(gateway, "too_large");
        return answer_to(&endpoint, Outcome::Unusable(&too_large().into()));
    }
    let sender = Sender { address, headers: &headers, now: edge.shop.clock.now() };
    let authentic = match verifier.verify(sender, &bytes) {
        Ok(authentic) => authentic,
        Err(why) => return refuse(&edge, &endpoint, why),
    };
    let read = unpack(&headers, &bytes).map_err(Rejection::from).and_then(|plain| {
        let inbound = read_notice(&**protocol, authentic.unpacked(&plain))?;
        Ok((inbound, plain))
    });
    let (notice, plain) = match read {
        Ok(read) => read,
        Err(rejection) => {
            metrics::notice_answered(gateway, "unreadable");
            let answer = answer_to(&endpoint, Outcome::Unusable(&rejection));
            if !verifier.proves_sender() {
                if let Some(times) = edge.refusals.unreadable.tells() {
                    tracing::warn!(
                        gateway,
                        times,
                        reason = %rejection,
                        "notifications that nobody has proved cannot be read"
                    );
                }
                return answer;
            }
            tracing::error!(gateway, reason = %rejection, "a notification from the payment system cannot be read");
            let hook = Hook::new(source.clone(), "payment".into(), None, None, bytes.clone());
            let kept = reject(&edge.shop, hook, &rejection.detail, bytes.len() as u64).await;
            return if kept.is_ok() { answer } else { answer_to(&endpoint, Outcome::Unavailable) };
        }
    };
    if notice.is_test {
        let is_ours = notice.account.as_deref().is_some_and(|named| same_id(named, &account));
        metrics::notice_answered(gateway, "test");
        tracing::info!(gateway, is_ours, "the payment system tried whether we listen");
        return answer_to(&endpoint, Outcome::Test { is_ours });
    }
    let arrived = Arrived {
        gateway: source,
        account: &account,
        protocol: &**protocol,
        notice: &notice,
        body: plain,
        is_proved: verifier.proves_sender(),
    };
    match receive_notice(&edge.shop, &arrived).await {
        Ok(noticed) => {
            metrics::notice_answered(gateway, noticed.verdict.as_str());
            tracing::info!(
                gateway,
                hook.id = %noticed.id,
                payment = notice.number,
                verdict = %noticed.verdict,
                reason = noticed.reason.map(|reason| tracing::field::display(reason.in_words(Language::En))),
                duration_ms = milliseconds(watch.elapsed()),
                "notification answered"
            );
            noticed.answer
        }
        Err(why) => {
            metrics::notice_answered(gateway, "unavailable");
            tracing::error!(gateway, payment = notice.number, error = %why, "a notification could not be kept");
            answer_to(&endpoint, Outcome::Unavailable)
        }
    }
}
