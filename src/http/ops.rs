//! Endpoints for monitoring: liveness, readiness, metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::problem::Problem;
use super::server::Peer;
use super::{AppState, forwarded};
use crate::store::Condition;
use crate::telemetry::metrics;
use tillgate_web::readiness::StoreCheck;

/// The header by which a receiver is distinguished from other programs.
pub const VERSION_HEADER: &str = "x-tillgate-version";

/// The header that identifies the store of a receiver, for programs on this
/// machine.
pub const STORE_HEADER: HeaderName = HeaderName::from_static("x-tillgate-store");

fn with_version(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
    response.headers_mut().insert(VERSION_HEADER, version);
    response
}

/// `GET /healthz`: answers as long as the process is alive.
pub async fn healthz() -> Response {
    with_version("ok\n")
}

/// `GET /readyz`: answers 200 when the receiver can accept hooks: the store
/// commits, and no shutdown has begun.
pub async fn readyz(State(app): State<Arc<AppState>>) -> Response {
    let mut response = with_version(readiness(&app).await);
    response.headers_mut().extend(app.store_mark.clone().map(|mark| (STORE_HEADER, mark)));
    response
}

/// `GET /readyz` for the public listener: the same without the reason. Programs
/// on this machine also get the version and the id of the store.
pub async fn readyz_bare(
    State(app): State<Arc<AppState>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let ready = readiness(&app).await.status().is_success();
    let mut response = if ready {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    };
    if peer.is_none_or(|peer| peer.is_loopback()) && !forwarded::is_forwarded(&headers) {
        response = with_version(response);
        response.headers_mut().extend(app.store_mark.clone().map(|mark| (STORE_HEADER, mark)));
    }
    response
}

async fn readiness(app: &AppState) -> Response {
    if app.draining.load(Ordering::Relaxed) {
        return Problem::unavailable("this receiver is shutting down").into_response();
    }
    let mut text = String::from("ready");
    let StoreCheck { probed, condition } = app.readiness.look(&app.services.store).await;
    let mut lines = Vec::new();
    if let Some(Condition { text, broken, missing }) = condition {
        lines.push(format!("database: {text}"));
        lines
            .extend(broken.into_iter().chain(missing).map(|missing| format!("missing: {missing}")));
    }
    match probed {
        Ok(()) => {
            // Hooks can still be accepted, so the receiver stays ready; the
            // text says what is wrong.
            if let Some(why) = app.services.clock_skew.trouble() {
                text.push_str(&format!(", but {why}"));
            }
            lines.insert(0, text);
            (lines.join("\n") + "\n").into_response()
        }
        Err(why) => {
            tracing::error!(
                error = %why,
                "this receiver is not ready: the store cannot be used; check the store"
            );
            lines.insert(0, format!("the store cannot be used: {why}"));
            Problem::unavailable(lines.join("; ")).into_response()
        }
    }
}

/// `GET /metrics`: the metrics in the text format of Prometheus.
pub async fn metrics_page(State(app): State<Arc<AppState>>) -> Response {
    if let Err(why) = app.outbox_count.refresh(&app.services).await {
        // The other metrics are needed most while the store cannot be used.
        tracing::warn!(
            error = %why,
            "the messages in the outbox could not be counted; their metrics are out of date"
        );
    }
    if let Some(seen) = app.services.store.servers_seen() {
        metrics::servers_seen(seen.timeline, seen.primary_changes, seen.unconfirmed, seen.is_split);
    }
    app.metrics.run_upkeep();
    let text = app.metrics.render();
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
        .into_response()
}
