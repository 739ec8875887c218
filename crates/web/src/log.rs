//! Logs one line for each authenticated request.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;

use super::REQUEST_ID;
use tillgate_kernel::Stopwatch;

/// Answers a request, and logs its route, merchant, status and duration.
pub async fn whole(merchant: Option<&str>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let method = request.method().clone();
    // The route and not the path, because the path may contain the id of a
    // person's order.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let id = request.headers().get(REQUEST_ID).cloned();
    let response = next.run(request).await;
    let (took, status) = (watch.elapsed(), response.status().as_u16());
    if let Some(route) = &route {
        let labels = [("route", route.clone()), ("status", status.to_string())];
        metrics::counter!("tillgate_requests_total", &labels).increment(1);
        metrics::histogram!("tillgate_request_seconds", "route" => route.clone()).record(took);
    }
    tracing::info!(
        request.id = id.as_ref().and_then(|id: &HeaderValue| id.to_str().ok()),
        merchant,
        %method,
        route,
        status,
        duration_ms = milliseconds(took),
        "request answered"
    );
    response
}

/// Milliseconds with three decimal places.
#[expect(clippy::float_arithmetic, reason = "a duration for a log line")]
pub fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}
