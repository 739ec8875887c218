//! Live updates of the state of a payment, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;

use super::page::{face, name_of};
use super::{LOOK_PAUSE, find};
use crate::http::AppState;
use crate::http::problem::Problem;
use crate::kernel::Stopwatch;

/// How long one live connection lasts, in seconds. The browser then reconnects
/// by itself.
const LIVE_SECONDS_MAX: u64 = 60;

/// `GET /return/{token}/events`: sends the payment's state now, and again
/// whenever it changes.
pub async fn events(
    State(app): State<Arc<AppState>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let Some(found) = find(&app, &token).await? else {
        return Err(Problem::not_found("there is no such order"));
    };
    let Some(place) = app.live_pages.take(found.number) else {
        return Err(Problem::unavailable(
            "too many pages follow this order, or all orders together; reload the page",
        ));
    };
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Event, Infallible>>(4);
    tokio::spawn(async move {
        let _place = place;
        let mut change_feed = app.services.change_feed.listen();
        let watch = Stopwatch::start();
        let mut sent = "";
        let mut checkout = Some(found.checkout);
        while let Some(known) = checkout {
            let state = name_of(face(&app.services, &known));
            if state != sent
                && sender.send(Ok(Event::default().event("state").data(state))).await.is_err()
            {
                return;
            }
            sent = state;
            let draining = app.draining.load(std::sync::atomic::Ordering::Relaxed);
            if draining || watch.elapsed() > Duration::from_secs(LIVE_SECONDS_MAX) {
                return;
            }
            tokio::select! {
                () = sender.closed() => return,
                _ = tokio::time::timeout(
                    LOOK_PAUSE,
                    change_feed.watches(found.number.partition()),
                ) => {}
            }
            checkout = find(&app, &found.token).await.ok().flatten().map(|found| found.checkout);
        }
    });
    let stream = ReceiverStream(receiver);
    let mut response = Sse::new(stream).keep_alive(KeepAlive::default()).into_response();
    // A proxy must pass each event on at once, without buffering.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Adapts a channel of events to a stream.
struct ReceiverStream(tokio::sync::mpsc::Receiver<Result<Event, Infallible>>);

impl futures_core::Stream for ReceiverStream {
    type Item = Result<Event, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
