//! `POST /hooks/{name}`: receives a hook of a source, from its bytes to the
//! answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body::Body;
use http_body_util::Either;
use tokio::sync::OwnedSemaphorePermit;

use super::body::{read_body, too_large, unpack};
use super::log::milliseconds;
use super::problem::Problem;
use super::problems;
use super::reply::whole;
use super::server::{Answer, Peer};
use super::work::KEEPING_MILLISECONDS_MAX;
use super::work::see_through;
use super::{AppState, REQUEST_ID, SenderKind, SourceEndpoint, notifications};
use crate::dedup::Verdict;
use crate::dedup::key::HookKey;
use crate::flows::accept_hook::accept_hook;
use crate::flows::recognise_hook::replayed;
use crate::flows::reject_hook::reject;
use crate::flows::{Hook, Received};
use crate::kernel::{ExternalId, PartyName, Stopwatch};
use crate::orders::Number;
use crate::store::Unavailable;
use crate::telemetry::metrics::HookMetrics;
use crate::texts::{Language, joined};
use crate::webhooks::verify::CheckedHead;
use crate::webhooks::{AuthError, Inbound, Rejection, RejectionKind, Sender, Verifier};

// Senders wait 5 s, and the network takes a part of that.
const _: () = assert!(KEEPING_MILLISECONDS_MAX <= 3000);

/// The source of a hook, if the request is one whose path needs no decoding.
pub(super) fn source_in<'a>(method: &Method, path: &'a str) -> Option<&'a str> {
    let name = path.strip_prefix("/hooks/")?;
    let name = name.strip_suffix('/').unwrap_or(name);
    (*method == Method::POST && !name.is_empty() && !name.contains(['/', '%'])).then_some(name)
}

/// Handles a hook that came by the routes.
pub async fn receive_routed(
    State(app): State<Arc<AppState>>,
    Path(name): Path<String>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Response {
    receive(app, &name, peer, headers, body).await.map(axum::body::Body::new)
}

/// Handles a hook, or a notification if the sender is a payment system.
pub(super) async fn receive<B>(
    app: Arc<AppState>,
    name: &str,
    peer: Option<IpAddr>,
    headers: HeaderMap,
    body: B,
) -> Response<Answer>
where
    B: Body<Data = Bytes> + Send + Unpin,
{
    let Some(endpoint) = app.sources.get(name).cloned() else {
        return problem(Problem::not_found(
            "no source with this name is configured: see [sources] in tillgate.toml",
        ));
    };
    let metrics = match &endpoint.kind {
        SenderKind::Marketplace { metrics } => metrics,
        SenderKind::PaymentSystem { account } => {
            let address = peer.and_then(|peer| app.sender_behind(peer, &headers));
            let receiving =
                notifications::receive(&app, &endpoint, account, address, headers, body);
            return Box::pin(receiving).await.map(Either::Right);
        }
    };
    let address = peer.filter(|_| endpoint.verifier.needs_address());
    let address = address.and_then(|peer| app.sender_behind(peer, &headers));
    let head = match endpoint.verifier.check_head(sender(&app, &headers, address)) {
        Ok(head) => head,
        Err(why) => return refuse(&app, &endpoint.source, metrics, &why),
    };
    let Ok(place) = Arc::clone(&app.hooks_at_once).try_acquire_owned() else {
        metrics.unavailable();
        return problem(Problem::unavailable(
            "too many hooks are being processed; send this hook again",
        ));
    };
    let (bytes, is_whole) = match read_body(body).await {
        Ok(read) => read,
        Err(why) => return problem(why),
    };
    let posted = Posted { headers, head, address, bytes, is_whole };
    // The work continues if the sender closes the connection.
    let taking = Box::pin(take(app, Arc::clone(&endpoint), posted, place));
    match see_through(taking, Duration::from_millis(KEEPING_MILLISECONDS_MAX)).await {
        Ok(response) => response,
        Err(unfinished) => {
            tracing::error!(
                hook.source = %endpoint.source,
                error = %unfinished,
                "a hook was not processed in time; its sender was asked to send it again"
            );
            metrics.unavailable();
            problem(Problem::unavailable("the hook could not be processed in time; send it again"))
        }
    }
}

fn problem(problem: Problem) -> Response<Answer> {
    problem.into_response().map(Either::Right)
}

/// A hook as it was posted.
struct Posted {
    headers: HeaderMap,
    head: CheckedHead,
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
) -> Response<Answer> {
    let watch = Stopwatch::start();
    let SourceEndpoint { source, verifier, protocol, kind } = &*endpoint;
    let SenderKind::Marketplace { metrics } = kind else {
        return problem(Problem::not_found("this source accepts no hooks about orders"));
    };
    let Posted { headers, head, address, bytes, is_whole } = &posted;
    let receiving = Receiving { app: &app, source, verifier, metrics, headers, watch };
    let sender = sender(&app, headers, *address);
    let authentic = match verifier.verify_body(*head, sender, bytes) {
        Ok(authentic) => authentic,
        Err(why) => return receiving.refuse(&why),
    };
    let plain = if *is_whole { unpack(headers, bytes) } else { Err(too_large()) };
    let plain = match plain {
        Ok(plain) => plain,
        // Rare paths are boxed: they would make the state of the common path
        // several times as large.
        Err(unusable) => return Box::pin(receiving.turn_away(bytes, &unusable.into())).await,
    };
    let key = HookKey::of(source, &plain, verifier.delivery_id(sender));
    // A delivery id alone does not show that the order is the same.
    if !key.has_delivery_id
        && let Some(first) = app.services.recent.hook(key.fingerprint)
    {
        return receiving.answer(
            replayed(&first.answered),
            &first.event_type,
            first.external_id.as_ref(),
        );
    }
    let readable = authentic.unpacked(&plain).readable();
    let (identity, reading) = match protocol.read(&readable) {
        Ok(Inbound::Order(identity, reading)) => (identity, reading),
        // A protocol of [sources] reads hooks about orders only.
        Ok(Inbound::Payment(_)) => {
            return problem(Problem::not_found("this source accepts only hooks about orders"));
        }
        Err(rejection) => return Box::pin(receiving.turn_away(&plain, &rejection)).await,
    };
    let _work = app.services.store.begin_work();
    let hook = Hook::of(source.clone(), identity, plain.clone(), key);
    match accept_hook(&app.services, &**protocol, &hook, &*reading, None).await {
        Ok(received) => receiving.answer(received, hook.event_type(), hook.external_id()),
        Err(why @ (Unavailable::TooManyParked { .. } | Unavailable::QuotaUsedUp { .. })) => {
            if let Some(times) = app.refusals.parked.due_times() {
                tracing::warn!(
                    hook.source = %source,
                    times,
                    reason = %why,
                    "hooks about orders that were not created were refused"
                );
            }
            problem(Problem::unavailable(format!(
                "{why}; send this hook again when its order was created"
            )))
        }
        Err(why) => {
            metrics.unavailable();
            tracing::error!(
                hook.source = %source,
                hook.event = hook.event_type(),
                error = %why,
                "a hook could not be stored; its sender was asked to send it again"
            );
            problem(Problem::unavailable("the hook could not be stored; send it again"))
        }
    }
}

/// The sender of a hook, as the verifier sees it.
fn sender<'a>(app: &AppState, headers: &'a HeaderMap, address: Option<IpAddr>) -> Sender<'a> {
    Sender { address, headers, now: app.services.clock.now() }
}

/// A hook that is being received.
struct Receiving<'a> {
    app: &'a AppState,
    source: &'a PartyName,
    verifier: &'a Verifier,
    metrics: &'a HookMetrics,
    headers: &'a HeaderMap,
    watch: Stopwatch,
}

impl Receiving<'_> {
    /// Counts and logs a hook that was received, and answers it. `event_type`
    /// and `external_id` are in the terms of its sender.
    fn answer(
        &self,
        received: Received,
        event_type: &str,
        external_id: Option<&ExternalId>,
    ) -> Response<Answer> {
        if received.is_copy {
            self.app.duplicates.add(received.id, self.app.services.clock.now());
        }
        let took = self.watch.elapsed();
        self.metrics.answered(received.verdict, took);
        tracing::info!(
            request.id = self.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()),
            hook.source = %self.source,
            hook.event = event_type,
            hook.id = %received.id,
            order.external_id = external_id.map(ExternalId::as_str),
            order.number = received.number.map(Number::get),
            verdict = %received.verdict,
            reason = (!received.reasons.is_empty())
                .then(|| tracing::field::display(joined(&received.reasons, Language::En))),
            duration_ms = milliseconds(took),
            "hook answered"
        );
        whole(received.answer).map(Either::Left)
    }

    fn refuse(&self, why: &AuthError) -> Response<Answer> {
        refuse(self.app, self.source, self.metrics, why)
    }

    /// Stores a hook that cannot be used, and answers why.
    async fn turn_away(&self, bytes: &Bytes, rejection: &Rejection) -> Response<Answer> {
        if !self.verifier.proves_sender() {
            // An address proves little about the sender, and stored hooks fill
            // the disk.
            self.metrics.answered(Verdict::Rejected, self.watch.elapsed());
            if let Some(times) = self.app.refusals.unreadable.due_times() {
                tracing::warn!(
                    hook.source = %self.source,
                    times,
                    reason = %rejection,
                    "unusable hooks were rejected and not stored: their sender is not authenticated"
                );
            }
            return problem(problems::rejected(rejection));
        }
        // Only the beginning of a body that is too long has been read.
        let stated_length = self.headers.get(header::CONTENT_LENGTH);
        let stated_length = stated_length.and_then(|length| length.to_str().ok()?.parse().ok());
        let stated_length = stated_length.filter(|_| rejection.why == RejectionKind::TooLarge);
        let event_type = rejection.event_type.clone().unwrap_or_default();
        let hook = Hook::new(self.source.clone(), event_type, None, None, bytes.clone());
        let length = stated_length.unwrap_or(bytes.len() as u64);
        match reject(&self.app.services, hook, &rejection.detail, length).await {
            Ok(id) => {
                let took = self.watch.elapsed();
                self.metrics.answered(Verdict::Rejected, took);
                tracing::warn!(
                    hook.source = %self.source,
                    hook.id = %id,
                    hook.event = rejection.event_type,
                    verdict = %Verdict::Rejected,
                    reason = %rejection,
                    duration_ms = milliseconds(took),
                    "hook rejected as unusable; it is in the journal"
                );
                let mut response = problem(problems::rejected(rejection));
                if rejection.why == RejectionKind::TooLarge {
                    // The rest of the body is still arriving and will not be
                    // read.
                    response
                        .headers_mut()
                        .insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
            Err(why) => {
                self.metrics.unavailable();
                problem(Problem::from(why))
            }
        }
    }
}

fn refuse(
    app: &AppState,
    source: &PartyName,
    metrics: &HookMetrics,
    why: &AuthError,
) -> Response<Answer> {
    metrics.forged();
    if let Some(times) = app.refusals.hooks.due_times() {
        tracing::warn!(
            hook.source = %source,
            times,
            reason = %why,
            "hooks with a missing or wrong signature or token were refused"
        );
    }
    problem(problems::signature_invalid())
}
