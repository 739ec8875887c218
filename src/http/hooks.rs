//! `POST /hooks/{name}`: receives a hook of a source, from its bytes to the
//! answer.

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
use super::{AppState, REQUEST_ID, SourceEndpoint, notifications};
use crate::dedup::Verdict;
use crate::flows::accept_hook::accept_hook;
use crate::flows::reject_hook::reject;
use crate::flows::{Hook, Received};
use crate::kernel::Stopwatch;
use crate::orders::Number;
use crate::telemetry::metrics;
use crate::texts::{Language, joined};
use crate::webhooks::{AuthError, Inbound, Rejection, RejectionKind, Sender};

// Senders wait 5 s, and the network takes a part of that.
const _: () = assert!(KEEPING_MILLISECONDS_MAX <= 3000);

/// Handles a hook, or a notification if the sender is a payment system.
pub async fn receive(
    State(app): State<Arc<AppState>>,
    Path(name): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(endpoint) = app.sources.get(&name).cloned() else {
        return Problem::not_found(
            "no source with this name is configured: see [sources] in tillgate.toml",
        )
        .into_response();
    };
    if let Some(account) = &endpoint.account {
        let address = peer.and_then(|Extension(Peer(peer))| app.sender_behind(peer?, &headers));
        let account = account.clone();
        return Box::pin(notifications::receive(app, endpoint, account, address, headers, body))
            .await;
    }
    let address = peer.filter(|_| endpoint.verifier.needs_address());
    let address = address.and_then(|Extension(Peer(peer))| app.sender_behind(peer?, &headers));
    if let Err(why) = endpoint.verifier.refuse_early(sender(&app, &headers, address)) {
        return refuse(&app, &endpoint, &why);
    }
    let Ok(place) = Arc::clone(&app.hooks_at_once).try_acquire_owned() else {
        metrics::hook_unavailable(endpoint.source.as_str());
        return Problem::unavailable("too many hooks are being processed; send this hook again")
            .into_response();
    };
    let (bytes, is_whole) = match read_body(body).await {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    // The work continues if the sender closes the connection.
    let taking = Box::pin(take(
        app,
        Arc::clone(&endpoint),
        Posted { headers, address, bytes, is_whole },
        place,
    ));
    match see_through(taking, Duration::from_millis(KEEPING_MILLISECONDS_MAX)).await {
        Ok(response) => response,
        Err(unfinished) => {
            tracing::error!(
                hook.source = %endpoint.source,
                error = %unfinished,
                "a hook was not processed in time; its sender was asked to send it again"
            );
            metrics::hook_unavailable(endpoint.source.as_str());
            Problem::unavailable("the hook could not be processed in time; send it again")
                .into_response()
        }
    }
}

/// A hook as it was posted.
struct Posted {
    headers: HeaderMap,
    /// The address of the sender, for a verifier that checks it.
    address: Option<IpAddr>,
    bytes: Bytes,
    /// Whether `bytes` is the whole body.
    is_whole: bool,
}

/// Verifies the hook, recognises or stores it, logs it, and answers it.
async fn take(
    app: Arc<AppState>,
    endpoint: Arc<SourceEndpoint>,
    posted: Posted,
    _place: OwnedSemaphorePermit,
) -> Response {
    let Posted { headers, address, bytes, is_whole } = posted;
    let watch = Stopwatch::start();
    let SourceEndpoint { source, verifier, protocol, .. } = &*endpoint;
    let sender = sender(&app, &headers, address);
    let authentic = match verifier.verify(sender, &bytes) {
        Ok(authentic) => authentic,
        Err(why) => return refuse(&app, &endpoint, &why),
    };
    let plain = if is_whole { unpack(&headers, &bytes) } else { Err(too_large()) };
    let plain = match plain {
        Ok(plain) => plain,
        // Rare paths are boxed: they would make the state of the common path
        // several times as large.
        Err(unusable) => {
            let rejection = unusable.into();
            return Box::pin(turn_away(&app, &endpoint, &headers, &bytes, &rejection, watch)).await;
        }
    };
    let readable = authentic.unpacked(&plain).readable();
    let (identity, reading) = match protocol.read(&readable) {
        Ok(Inbound::Order(identity, reading)) => (identity, reading),
        // A protocol of [sources] reads hooks about orders only.
        Ok(Inbound::Payment(_)) => {
            return Problem::not_found("this source accepts only hooks about orders")
                .into_response();
        }
        Err(rejection) => {
            return Box::pin(turn_away(&app, &endpoint, &headers, &plain, &rejection, watch)).await;
        }
    };
    let delivery_id = verifier.delivery_id(sender);
    let hook = Hook::of(source.clone(), identity, plain.clone(), delivery_id);
    match accept_hook(&app.services, &**protocol, &hook, &*reading, None).await {
        Ok(received) => {
            if received.is_copy {
                app.duplicates.add(received.id, app.services.clock.now());
            }
            let took = watch.elapsed();
            metrics::hook_answered(source.as_str(), received.verdict, took);
            log(&hook, &received, took, headers.get(REQUEST_ID));
            answer(received.answer)
        }
        Err(why) => {
            metrics::hook_unavailable(source.as_str());
            tracing::error!(
                hook.source = %source,
                hook.event = hook.event_type(),
                error = %why,
                "a hook could not be stored; its sender was asked to send it again"
            );
            Problem::unavailable("the hook could not be stored; send it again").into_response()
        }
    }
}

/// The sender of a hook, as the verifier sees it.
fn sender<'a>(app: &AppState, headers: &'a HeaderMap, address: Option<IpAddr>) -> Sender<'a> {
    Sender { address, headers, now: app.services.clock.now() }
}

fn refuse(app: &AppState, endpoint: &SourceEndpoint, why: &AuthError) -> Response {
    metrics::hook_forged(endpoint.source.as_str());
    if let Some(times) = app.refusals.hooks.due_times() {
        tracing::warn!(
            hook.source = %endpoint.source,
            times,
            reason = %why,
            "hooks with a missing or wrong signature or token were refused"
        );
    }
    problems::signature_invalid().into_response()
}

/// Stores a hook that cannot be used, and answers why.
async fn turn_away(
    app: &AppState,
    endpoint: &SourceEndpoint,
    headers: &HeaderMap,
    bytes: &Bytes,
    rejection: &Rejection,
    watch: Stopwatch,
) -> Response {
    if !endpoint.verifier.proves_sender() {
        // An address proves little about the sender, and stored hooks fill the
        // disk.
        metrics::hook_answered(endpoint.source.as_str(), Verdict::Rejected, watch.elapsed());
        if let Some(times) = app.refusals.unreadable.due_times() {
            tracing::warn!(
                hook.source = %endpoint.source,
                times,
                reason = %rejection,
                "unusable hooks were rejected and not stored: their sender is not authenticated"
            );
        }
        return problems::rejected(rejection).into_response();
    }
    // Only the beginning of a body that is too long has been read.
    let stated_length =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let stated_length = stated_length.filter(|_| rejection.why == RejectionKind::TooLarge);
    let event_type = rejection.event_type.clone().unwrap_or_default();
    let hook = Hook::new(endpoint.source.clone(), event_type, None, None, bytes.clone());
    let length = stated_length.unwrap_or(bytes.len() as u64);
    match reject(&app.services, hook, &rejection.detail, length).await {
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
                "hook rejected as unusable; it is in the journal"
            );
            let mut response = problems::rejected(rejection).into_response();
            if rejection.why == RejectionKind::TooLarge {
                // The rest of the body is still arriving and will not be read.
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
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
