//! One line for each request that somebody has made under a key of theirs.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;

use super::REQUEST_ID;
use tillgate_kernel::Stopwatch;

/// Answers a request and logs which it was, for which merchant, and how it went.
pub async fn whole(merchant: Option<&str>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let method = request.method().clone();
    // The route and not the path: that may hold an id of a person's order.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let id = request.headers().get(REQUEST_ID).cloned();
    let response = next.run(request).await;
    tracing::info!(
        request.id = id.as_ref().and_then(|id: &HeaderValue| id.to_str().ok()),
        merchant,
        %method,
        route,
        status = response.status().as_u16(),
        duration_ms = milliseconds(watch.elapsed()),
        "request answered"
    );
    response
}

#[expect(clippy::float_arithmetic, reason = "a duration for a log line")]
pub fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}
