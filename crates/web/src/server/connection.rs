//! Handles one connection, from its first request to its end.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::task::Poll;
use std::time::Duration;

use axum::response::IntoResponse;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio_io_timeout::TimeoutStream;

use super::handler::{Answer, Peer, RequestHandler};
use super::lent::BorrowedBody;
use super::listener::Stream;
use super::places::Place;
use super::wellformed;
use crate::deadline::{Timer, within};

/// How long the head of a connection's first request may take to arrive.
const FIRST_HEAD_SECONDS_MAX: u64 = 10;

/// How long the head of a later request may take to arrive. An idle connection
/// is also closed after this time. So it must be longer than the time a proxy
/// in front keeps idle connections: the proxy should be the one to close them.
const HEAD_SECONDS_MAX: u64 = 75;

/// How long a peer may go without accepting a byte of what is sent to it.
const WRITE_SECONDS_MAX: u64 = 10;

/// The maximum size of a request's head, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The HTTP settings of all connections.
pub(super) fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(Timer)
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        // A sender that disconnects looks like one that has only finished
        // writing. Its request is processed.
        .half_close(true)
        .keep_alive(true);
    builder
}

/// Serves one connection until it ends.
pub(super) async fn drive<H: RequestHandler>(
    builder: http1::Builder,
    stream: Stream,
    peer: Option<IpAddr>,
    place: Place,
    handler: H,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(Duration::from_secs(WRITE_SECONDS_MAX)));
    let place = &place;
    let handler = &handler;
    let service = service_fn(move |request: Request<Incoming>| {
        place.begins_request();
        let answering = answer(handler, request, peer);
        async move {
            let answered = answering.await;
            place.ends_request();
            answered
        }
    });
    let mut connection =
        std::pin::pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let longest = Duration::from_secs(FIRST_HEAD_SECONDS_MAX);
    let mut first_head = std::pin::pin!(within(longest, std::future::pending::<()>()));
    let ended = std::future::poll_fn(|context| {
        // An error of the connection concerns only its peer.
        if connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ended::Over);
        }
        // After the first request, hyper's timeout of a head applies.
        let is_silent = !place.has_spoken();
        if is_silent && first_head.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ended::Over);
        }
        match place.poll_wanted(context) {
            Poll::Ready(()) if is_silent && !place.is_ending() => Poll::Ready(Ended::Over),
            Poll::Ready(()) => Poll::Ready(Ended::Finishing),
            Poll::Pending => Poll::Pending,
        }
    });
    if ended.await == Ended::Finishing {
        // Ends after the request in progress, or at once if there is none.
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// How the service of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Over,
    /// A request may be in progress.
    Finishing,
}

/// Answers one request. Reads the rest of a body that its handler has not read,
/// so that the answer arrives and the connection can be reused. If that takes
/// too long, the answer says that the connection closes.
async fn answer<H: RequestHandler>(
    handler: &H,
    request: Request<Incoming>,
    peer: Option<IpAddr>,
) -> Result<Response<Answer>, Infallible> {
    if let Err(problem) = wellformed::check(&request) {
        let mut response = problem.into_response().map(Either::Right);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Ok(response);
    }
    let expects_continue = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let (body, given_back) = BorrowedBody::of(body);
    let mut response = handler.handle(Request::from_parts(head, body), Peer(peer)).await;
    if given_back.is_unread() && (expects_continue || !given_back.read_on().await) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
