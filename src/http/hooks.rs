//! `POST /hooks/{name}`: a sender's hook, from its bytes to its answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::OwnedSemaphorePermit;

use super::body::{read_body, too_large, unpack};
use super::log::milliseconds;
use super::problem::Problem;
use super::problems;
use super::reply::answer;
use super::server::Peer;
use super::work::KEEPING_MILLISECONDS_MAX;
use super::work::see_through;
use super::{Edge, REQUEST_ID, SourceEndpoint, notices};
use crate::dedup::Verdict;
use crate::flows::accept_hook::accept_hook;
use crate::flows::reject_hook::reject;
use crate::flows::{Hook, Received};
use crate::kernel::Stopwatch;
use crate::orders::Number;
use crate::telemetry::metrics;
use crate::texts::{Language, joined};
use crate::webhooks::{AuthError, Inbound, Rejection, RejectionKind, Sender};

const _: () = assert!(KEEPING_MILLISECONDS_MAX <= 3000); // senders wait 5 s, and the way to us takes some of that

/// Takes a hook.
pub async fn receive(
    State(edge): State<Arc<Edge>>,
    Path(name): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(endpoint) = edge.sources.get(&name).cloned() else {
        return Problem::not_found("no such source is configured: see [sources] in tillgate.toml")
            .into_response();
    };
    if let Some(account) = &endpoint.account {
        let address = peer.and_then(|Extension(Peer(peer))| edge.sender_behind(peer?, &headers));
        let account = account.clone();
        return Box::pin(notices::receive(edge, endpoint, account, address, headers, body)).await;
    }
    let address = peer.filter(|_| endpoint.verifier.needs_address());
    let address = address.and_then(|Extension(Peer(peer))| edge.sender_behind(peer?, &headers));
    if let Err(why) = endpoint.verifier.refuse_early(sender(&edge, &headers, address)) {
        return refuse(&edge, &endpoint, &why);
    }
    let Ok(place) = Arc::clone(&edge.hooks_at_once).try_acquire_owned() else {
        metrics::hook_unavailable(endpoint.source.as_str());
        return Problem::unavailable("too many hooks are under way; send this one again").into_response();
    };
    let (bytes, is_whole) = match read_body(body).await {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    // The work goes on if the sender hangs up meanwhile.
    let taking =
        Box::pin(take(edge, Arc::clone(&endpoint), Posted { headers, address, bytes, is_whole }, place));
    match see_through(taking, Duration::from_millis(KEEPING_MILLISECONDS_MAX)).await {
        Ok(response) => response,
        Err(unfinished) => {
            tracing::error!(hook.source = %endpoint.source, error = %unfinished, "a hook was not taken in");
            metrics::hook_unavailable(endpoint.source.as_str());
            Problem::unavailable("the hook could not be taken in; send it again").into_response()
        }
    }
}

/// What was posted.
struct Posted {
    headers: HeaderMap,
    /// Where it comes from, for a verifier that asks.
    address: Option<IpAddr>,
    bytes: Bytes,
    /// Whether the bytes are all of the body.
    is_whole: bool,
}

/// The unit of work: verify, recognise or keep, log, answer.
async fn take(
    edge: Arc<Edge>,
    endpoint: Arc<SourceEndpoint>,
    posted: Posted,
    _place: OwnedSemaphorePermit,
) -> Response {
    let Posted { headers, address, bytes, is_whole } = posted;
    let watch = Stopwatch::start();
    let SourceEndpoint { source, verifier, protocol, .. } = &*endpoint;
    let sender = sender(&edge, &headers, address);
    let authentic = match verifier.verify(sender, &bytes) {
        Ok(authentic) => authentic,
        Err(why) => return refuse(&edge, &endpoint, &why),
    };
    let plain = if is_whole { unpack(&headers, &bytes) } else { Err(too_large()) };
    let plain = match plain {
        Ok(plain) => plain,
        // Rare ways are boxed: they would make the common one's state several times as large.
        Err(unusable) => {
            let rejection = unusable.into();
            return Box::pin(turn_away(&edge, &endpoint, &headers, &bytes, &rejection, watch)).await;
        }
    };
    let readable = authentic.unpacked(&plain).readable();
    let (identity, reading) = match protocol.read(&readable) {
        Ok(Inbound::Order(identity, reading)) => (identity, reading),
        // Its protocol speaks of orders alone: see [sources].
        Ok(Inbound::Payment(_)) => return Problem::not_found("it takes hooks about orders").into_response(),
        Err(rejection) => {
            return Box::pin(turn_away(&edge, &endpoint, &headers, &plain, &rejection, watch)).await;
        }
    };
    let delivery_id = verifier.delivery_id(sender);
    let hook = Hook::of(source.clone(), identity, plain.clone(), delivery_id);
    match accept_hook(&edge.shop, &**protocol, &hook, &*reading, None).await {
        Ok(received) => {
            if received.is_copy {
                edge.tally.add(received.id, edge.shop.clock.now());
            }
            let took = watch.elapsed();
            metrics::hook_answered(source.as_str(), received.verdict, took);
            log(&hook, &received, took, headers.get(REQUEST_ID));
            answer(received.answer)
        }
        Err(why) => {
            metrics::hook_unavailable(source.as_str());
            tracing::error!(hook.source = %source, hook.event = hook.event_type(), error = %why, "a hook could not be kept");
            Problem::unavailable("the hook could not be kept; send it again").into_response()
        }
    }
}

/// Who has sent a hook, as its verifier sees it.
fn sender<'a>(edge: &Edge, headers: &'a HeaderMap, address: Option<IpAddr>) -> Sender<'a> {
    Sender { address, headers, now: edge.shop.clock.now() }
}

fn refuse(edge: &Edge, endpoint: &SourceEndpoint, why: &AuthError) -> Response {
    metrics::hook_forged(endpoint.source.as_str());
    if let Some(times) = edge.refusals.hooks.tells() {
        tracing::warn!(hook.source = %endpoint.source, times, reason = %why, "hooks without proof of their sender were refused");
    }
    problems::signature_invalid().into_response()
}

/// Keeps what cannot be used, and says why it cannot.
async fn turn_away(
    edge: &Edge,
    endpoint: &SourceEndpoint,
    headers: &HeaderMap,
    bytes: &Bytes,
    rejection: &Rejection,
    watch: Stopwatch,
) -> Response {
    if !endpoint.verifier.proves_sender() {
        // An address proves little, and what is kept fills the disk.
        metrics::hook_answered(endpoint.source.as_str(), Verdict::Rejected, watch.elapsed());
        if let Some(times) = edge.refusals.unreadable.tells() {
            tracing::warn!(hook.source = %endpoint.source, times, reason = %rejection, "hooks were turned away, and not kept: their sender is not proved");
        }
        return problems::rejected(rejection).into_response();
    }
    // Of what is too long only the beginning was read.
    let told_length =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let told_length = told_length.filter(|_| rejection.why == RejectionKind::TooLarge);
    let event_type = rejection.event_type.clone().unwrap_or_default();
    let hook = Hook::new(endpoint.source.clone(), event_type, None, None, bytes.clone());
    let length = told_length.unwrap_or(bytes.len() as u64);
    match reject(&edge.shop, hook, &rejection.detail, length).await {
        Ok(id) => {
            let took = watch.elapsed();
            metrics::hook_answered(endpoint.source.as_str(), Verdict::Rejected, took);
            tracing::warn!(
                hook.source = %endpoint.source,
                hook.id = %id,
                hook.event = rejection.event_type,
                verdict = %Verdict::Rejected,
                reason = %rejection,
                duration_ms = milliseconds(took),
                "hook turned away"
            );
            let mut response = problems::rejected(rejection).into_response();
            if rejection.why == RejectionKind::TooLarge {
                // The rest of the body is still on its way and will not be read.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
        Err(why) => {
            metrics::hook_unavailable(endpoint.source.as_str());
            Problem::from(why).into_response()
        }
    }
}

fn log(hook: &Hook, received: &Received, took: Duration, request_id: Option<&HeaderValue>) {
    tracing::info!(
        request.id = request_id.and_then(|id| id.to_str().ok()),
        hook.source = %hook.source(),
        hook.event = hook.event_type(),
        hook.id = %received.id,
        order.external_id = hook.external_id().map(|id| id.as_str()),
        order.number = received.number.map(Number::get),
        verdict = %received.verdict,
        reason = (!received.reasons.is_empty())
            .then(|| tracing::field::display(joined(&received.reasons, Language::En))),
        duration_ms = milliseconds(took),
        "hook answered"
    );
}
