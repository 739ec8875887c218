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

use super::body::{read_body, unpack};
use super::hooks::{KEEPING_MILLISECONDS_MAX, answer, milliseconds};
use super::work::see_through;
use super::{Edge, NoticeDoor};
use crate::dedup::Answer;
use crate::flows::Hook;
use crate::flows::receive_notice::{Arrived, receive_notice};
use crate::flows::reject_hook::reject;
use crate::kernel::{Stopwatch, same_id};
use crate::telemetry::metrics;
use crate::webhooks::Forged;

/// Takes a notification.
pub async fn receive(
    edge: Arc<Edge>,
    door: Arc<NoticeDoor>,
    sender: (Option<IpAddr>, HeaderMap),
    body: Body,
) -> Response {
    if let Some(forged) = door.protocol.refuse_early(sender.0, &sender.1) {
        return answer(refuse(&edge, &door, forged));
    }
    let Ok(place) = Arc::clone(&edge.notices_at_once).try_acquire_owned() else {
        return answer(door.protocol.unavailable());
    };
    let (bytes, is_whole) = match read_body(body).await {
        Ok(read) => read,
        Err(_) => return answer(door.protocol.unavailable()),
    };
    // As with hooks: the sender's hanging up ends the waiting and not the work.
    let taking = take(edge, Arc::clone(&door), sender, bytes, is_whole);
    let work = async move {
        let taken = taking.await;
        drop(place);
        taken
    };
    match see_through(Box::pin(work), Duration::from_millis(KEEPING_MILLISECONDS_MAX)).await {
        Ok(taken) => answer(taken),
        Err(unfinished) => {
            tracing::error!(gateway = %door.gateway, error = %unfinished, "a notification was not taken in");
            answer(door.protocol.unavailable())
        }
    }
}

fn refuse(edge: &Edge, door: &NoticeDoor, forged: Forged) -> Answer {
    let gateway = door.gateway.as_str();
    metrics::notice_answered(gateway, "forged");
    if let Some(times) = edge.refusals.notices.tells() {
        tracing::warn!(gateway, times, reason = %forged, "notifications without proof of their sender were refused");
    }
    door.protocol.forged()
}

async fn take(
    edge: Arc<Edge>,
    door: Arc<NoticeDoor>,
    (address, headers): (Option<IpAddr>, HeaderMap),
    bytes: Bytes,
    is_whole: bool,
) -> Answer {
    let watch = Stopwatch::start();
    let (gateway, protocol) = (door.gateway.as_str(), &door.protocol);
    if !is_whole {
        metrics::notice_answered(gateway, "too_large");
        return protocol.unreadable("the body is too long");
    }
    let authentic = match protocol.verify(address, &headers, &bytes) {
        Ok(authentic) => authentic,
        Err(forged) => return refuse(&edge, &door, forged),
    };
    let plain = unpack(&headers, &bytes).map_err(|rejection| rejection.detail);
    let read = plain.and_then(|plain| {
        let notice = protocol.read(&authentic.unpacked(&plain).readable())?;
        Ok((notice, plain))
    });
    let (notice, plain) = match read {
        Ok(read) => read,
        Err(why) => {
            metrics::notice_answered(gateway, "unreadable");
            if !protocol.proves_sender() {
                if let Some(times) = edge.refusals.unreadable.tells() {
                    tracing::warn!(
                        gateway,
                        times,
                        reason = why,
                        "notifications that nobody has proved cannot be read"
                    );
                }
                return protocol.unreadable(&why);
            }
            tracing::error!(gateway, reason = why, "a notification from the payment system cannot be read");
            let hook = Hook::new(door.gateway.clone(), "payment".into(), None, None, bytes.clone());
            let kept = reject(&edge.shop, hook, &why, bytes.len() as u64).await;
            return if kept.is_ok() { protocol.unreadable(&why) } else { protocol.unavailable() };
        }
    };
    if notice.is_test {
        let is_ours = notice.account.as_deref().is_some_and(|account| same_id(account, &door.account));
        metrics::notice_answered(gateway, "test");
        tracing::info!(gateway, is_ours, "the payment system tried whether we listen");
        return protocol.tested(is_ours);
    }
    let arrived = Arrived {
        gateway: &door.gateway,
        account: &door.account,
        notice: &notice,
        body: plain,
        is_proved: protocol.proves_sender(),
    };
    let reply = |judgement: &crate::payments::Judgement, may_become_known: bool| {
        protocol.judged(judgement, may_become_known)
    };
    match receive_notice(&edge.shop, &arrived, &reply).await {
        Ok(noticed) => {
            metrics::notice_answered(gateway, noticed.verdict.as_str());
            tracing::info!(
                gateway,
                hook.id = %noticed.id,
                payment = notice.number,
                verdict = %noticed.verdict,
                reason = noticed.reason,
                duration_ms = milliseconds(watch.elapsed()),
                "notification answered"
            );
            noticed.answer
        }
        Err(why) => {
            metrics::notice_answered(gateway, "unavailable");
            tracing::error!(gateway, payment = notice.number, error = %why, "a notification could not be kept");
            protocol.unavailable()
        }
    }
}
