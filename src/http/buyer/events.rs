//! The state of a payment, live.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;

use super::page::{face, name_of};
use super::{LOOK_PAUSE, find};
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::kernel::Stopwatch;

/// How long one live connection lasts; the browser opens the next by itself.
const LIVE_SECONDS_MAX: u64 = 60;

/// `GET /return/{token}/events`: the payment's state, whenever it changes.
pub async fn events(State(edge): State<Arc<Edge>>, Path(token): Path<String>) -> Result<Response, Problem> {
    let Some(found) = find(&edge, &token).await? else {
        return Err(Problem::not_found("there is no such order"));
    };
    let Some(place) = edge.live_pages.take(found.number) else {
        return Err(Problem::unavailable(
            "this order is followed on enough pages, or all together are too many; look again by yourself",
        ));
    };
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Event, Infallible>>(4);
    tokio::spawn(async move {
        let _place = place;
        let mut news = edge.shop.news.listen();
        let watch = Stopwatch::start();
        let mut told = "";
        let mut checkout = Some(found.checkout);
        while let Some(known) = checkout {
            let state = name_of(face(&edge.shop, &known));
            if state != told && sender.send(Ok(Event::default().event("state").data(state))).await.is_err() {
                return;
            }
            told = state;
            let draining = edge.draining.load(std::sync::atomic::Ordering::Relaxed);
            if draining || watch.elapsed() > Duration::from_secs(LIVE_SECONDS_MAX) {
                return;
            }
            tokio::select! {
                () = sender.closed() => return,
                _ = tokio::time::timeout(LOOK_PAUSE, news.hears_of(found.number.partition())) => {}
            }
            checkout = find(&edge, &found.token).await.ok().flatten().map(|found| found.checkout);
        }
    });
    let stream = ReceiverStream(receiver);
    let mut response = Sse::new(stream).keep_alive(KeepAlive::default()).into_response();
    // A proxy in front must pass each event on as it comes.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Events as a stream.
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
