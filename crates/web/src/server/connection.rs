//! Handles one connection, from its first request to its end.

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

use super::lent::BorrowedBody;
use super::listener::Stream;
use super::places::Place;
use super::wellformed;

/// The address at the other end of a request's connection; the proxy's, if
/// there is one. `None` for a unix socket, which only programs on this machine
/// can open.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub Option<IpAddr>);

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
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        // A sender that disconnects looks like one that has only finished
        // writing. Its request is processed.
        .half_close(true)
        .keep_alive(true);
    builder
}

/// Serves one connection until it ends.
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
    let mut connection =
        std::pin::pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let first_head_late = async {
        tokio::time::sleep(Duration::from_secs(FIRST_HEAD_SECONDS_MAX)).await;
        // After the first request, hyper's header timeout applies.
        if place.has_spoken() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // An error of the connection concerns only its peer.
        _ = connection.as_mut() => return,
        () = first_head_late => return,
        () = place.wanted() => if !place.has_spoken() { return },
        () = close_idle.cancelled() => {}
    }
    // Ends after the request in progress, or at once if there is none.
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Answers one request. Reads the rest of a body that its handler has not read,
/// so that the answer arrives and the connection can be reused. If that takes
/// too long, the answer says that the connection closes.
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
    let expects_continue = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let (body, given_back) = BorrowedBody::of(body);
    let mut response =
        TowerToHyperService::new(routes).call(Request::from_parts(head, body)).await?;
    if given_back.is_unread() && (expects_continue || !given_back.read_on().await) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
