//! For machines: does it live, can it work, how much has it done.

use crate::flows::stored::LANES;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::problem::Problem;
use super::server::Peer;
use super::{Edge, forwarded};
use crate::store::{Condition, Scan, Unavailable};
use crate::telemetry::metrics;
use tillgate_web::readiness::Looked;

/// The header by which a receiver of ours is known from other programs.
pub const VERSION_HEADER: &str = "x-tillgate-version";

/// The header that says of which store a receiver is, on this machine.
pub const STORE_HEADER: HeaderName = HeaderName::from_static("x-tillgate-store");

fn with_version(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
    response.headers_mut().insert(VERSION_HEADER, version);
    response
}

/// The process lives.
pub async fn healthz() -> Response {
    with_version("ok\n")
}

/// It can take hooks: the store commits, and no end has been announced.
pub async fn readyz(State(edge): State<Arc<Edge>>) -> Response {
    let mut response = with_version(readiness(&edge).await);
    response.headers_mut().extend(edge.store_mark.clone().map(|mark| (STORE_HEADER, mark)));
    response
}

/// The same without a word why, for everybody. Programs of this machine are told which store it is.
pub async fn readyz_bare(
    State(edge): State<Arc<Edge>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let ready = readiness(&edge).await.status().is_success();
    let mut response = if ready {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    };
    if peer.is_none_or(|peer| peer.is_loopback()) && !forwarded::is_forwarded(&headers) {
        response = with_version(response);
        response.headers_mut().extend(edge.store_mark.clone().map(|mark| (STORE_HEADER, mark)));
    }
    response
}

async fn readiness(edge: &Edge) -> Response {
    if edge.draining.load(Ordering::Relaxed) {
        return Problem::unavailable("draining: this receiver is about to stop").into_response();
    }
    let mut text = String::from("ready");
    let Looked { probed, condition } = edge.readiness.look(&edge.shop.store).await;
    let mut lines = Vec::new();
    if let Some(Condition { text, broken, missing }) = condition {
        lines.push(format!("database: {text}"));
        lines.extend(broken.into_iter().chain(missing).map(|missing| format!("missing: {missing}")));
    }
    match probed {
        Ok(()) => {
            // It can take hooks all the same, so it stays in; whoever looks reads what is wrong.
            if let Some(why) = edge.shop.clock_skew.trouble() {
                text.push_str(&format!(", but {why}"));
            }
            lines.insert(0, text);
            (lines.join("\n") + "\n").into_response()
        }
        Err(why) => {
            tracing::error!(error = %why, "this receiver is not ready: the store cannot be used");
            lines.insert(0, format!("the store cannot be used: {why}"));
            Problem::unavailable(lines.join("; ")).into_response()
        }
    }
}

/// Messages are counted up to this many: enough to see that something is wrong.
const COUNTED_MESSAGES_MAX: usize = 1000;

async fn count_messages(edge: &Edge) -> Result<(), Unavailable> {
    for lane in LANES {
        for (dead, state) in [(false, "pending"), (true, "dead")] {
            let scan = Scan::Outbox { lane, dead, queue: None, after: None, limit: COUNTED_MESSAGES_MAX };
            let page = edge.shop.store.scan(&scan).await?;
            metrics::outbox_messages(lane, state, u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        }
    }
    Ok(())
}

/// Figures in Prometheus' text form.
pub async fn figures(State(edge): State<Arc<Edge>>) -> Response {
    if let Err(why) = count_messages(&edge).await {
        // The other figures are wanted most while the store cannot be used.
        tracing::warn!(error = %why, "the messages in the outbox could not be counted");
    }
    if let Some(seen) = edge.shop.store.servers_seen() {
        metrics::servers_seen(seen.timeline, seen.primary_changes, seen.doubts, seen.is_split);
    }
    edge.metrics.run_upkeep();
    let text = edge.metrics.render();
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
        .into_response()
}
