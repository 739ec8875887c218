//! One connection, from its first request to its end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::lent::Lent;
use super::listener::Stream;
use super::places::Place;
use super::{Peer, wellformed};

/// How long the first request of a connection may take to come.
const FIRST_HEAD_SECONDS_MAX: u64 = 10;

/// How long a later request's head may take to come. An idle connection is closed after it too, so it must be
/// longer than a proxy in front keeps idle connections: the proxy is the one to close.
const HEAD_SECONDS_MAX: u64 = 75;

/// How long a peer may take no byte of what it is sent.
const WRITE_SECONDS_MAX: u64 = 10;

/// How much of a request's head is read, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How a connection is read.
pub(super) fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        // A sender that hangs up looks like one that has only finished writing: what it wrote is worked on.
        .half_close(true)
        .keep_alive(true);
    builder
}

/// Drives one connection to its end.
pub(super) async fn drive(
    builder: http1::Builder,
    stream: Stream,
    peer: Option<IpAddr>,
    place: Place,
    routes: Router,
    close_idle: CancellationToken,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(Duration::from_secs(WRITE_SECONDS_MAX)));
    let place = &place;
    let service = service_fn(move |request: Request<Incoming>| {
        place.begins_request();
        let answering = answer(routes.clone(), request, peer);
        async move {
            let answered = answering.await;
            place.ends_request();
            answered
        }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let first_head_late = async {
        tokio::time::sleep(Duration::from_secs(FIRST_HEAD_SECONDS_MAX)).await;
        // Those that have spoken are hyper's to watch.
        if place.has_spoken() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // A broken connection is its peer's affair.
        _ = connection.as_mut() => return,
        () = first_head_late => return,
        () = place.wanted() => if !place.has_spoken() { return },
        () = close_idle.cancelled() => {}
    }
    // Ends with the request under way, or at once if there is none.
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Answers one request. A body that its handler has not read is read on, so that the answer arrives and the connection
/// goes on; when that takes too long, the answer says that the connection ends.
async fn answer(
    routes: Router,
    mut request: Request<Incoming>,
    peer: Option<IpAddr>,
) -> Result<Response, Infallible> {
    if let Err(problem) = wellformed::check(&request) {
        let mut response = problem.into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Ok(response);
    }
    request.extensions_mut().insert(Peer(peer));
    let awaits_word = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let (body, given_back) = Lent::of(body);
    let mut response = TowerToHyperService::new(routes).call(Request::from_parts(head, body)).await?;
    if given_back.is_unread() && (awaits_word || !given_back.read_on().await) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
