//! Connections: accepted up to a limit, driven by hyper with deadlines, and drained before the end.
//!
//! What a peer makes us hold is bounded: how many connections there are ([`places`]), how long one may be silent before its
//! first request, between requests and while it does not take our answer, and what is read of a body that nobody wants
//! ([`lent`]).

mod lent;
mod listener;
mod places;
mod wellformed;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
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
use tokio_util::task::TaskTracker;

use self::lent::Lent;
use self::listener::{Accepted, Stream};
pub use self::listener::{Listener, listen, listen_at, listen_or_inherit};
pub use self::places::Limits;
use self::places::{Place, Places};

/// Who is at the other end of a request's connection: a proxy, if there is one. None behind a unix socket, which only
/// programs of this machine can open.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub Option<IpAddr>);

/// How long the first request of a connection may take to come.
const FIRST_HEAD_SECONDS_MAX: u64 = 10;

/// How long a later request's head may take to come. An idle connection is closed after it too, so it must be
/// longer than a proxy in front keeps idle connections: the proxy is the one to close.
const HEAD_SECONDS_MAX: u64 = 75;

/// How long a peer may take no byte of what it is sent.
const WRITE_SECONDS_MAX: u64 = 10;

/// How much of a request's head is read, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long the first request on a connection is awaited that was taken just before the end.
const LAST_REQUEST_MAX: Duration = Duration::from_secs(1);

/// How long requests under way may take to end after that.
const DRAIN_SECONDS_MAX: u64 = 10;

/// When accepting fails for want of descriptors, waiting helps and spinning does not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `drain`, then until every request under way is answered, but not longer than allowed. Answers given
/// while draining must say that their connection ends.
///
/// For `idle_drain` new connections are still taken, and idle ones stay open, so that a proxy in front closes them and
/// not we: what it sends on a connection that is just being closed is lost, and what it sends while nobody takes
/// connections waits for the next process.
pub async fn serve(
    listener: Listener,
    routes: Router,
    limits: Limits,
    drain: CancellationToken,
    idle_drain: Duration,
) {
    let places = Places::new(limits);
    let close_idle = CancellationToken::new();
    let connections = TaskTracker::new();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        // A sender that hangs up looks like one that has only finished writing: what it wrote is worked on.
        .half_close(true)
        .keep_alive(true);
    let ending = async {
        drain.cancelled().await;
        connections.close(); // those that come still count
        none_left(&connections, idle_drain).await;
    };
    let mut ending = std::pin::pin!(ending);
    loop {
        let accepted = tokio::select! {
            () = &mut ending => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Accepted { stream, peer } = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                tracing::warn!(error = %why, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = places.take(peer) else { continue };
        connections.spawn(drive(builder.clone(), stream, peer, place, routes.clone(), close_idle.clone()));
    }
    drop(listener);
    // hyper closes a connection on which no request has come yet, and on those just taken one is on its way.
    none_left(&connections, idle_drain.min(LAST_REQUEST_MAX)).await;
    close_idle.cancel();
    connections.close();
    let patience = Duration::from_secs(DRAIN_SECONDS_MAX);
    if tokio::time::timeout(patience, connections.wait()).await.is_err() {
        tracing::warn!(seconds = DRAIN_SECONDS_MAX, "some connections did not end in time and were cut");
    }
}

/// Waits until no connection is left, but not longer than `longest`.
async fn none_left(connections: &TaskTracker, longest: Duration) {
    let waiting = async {
        // The wait ends when there was a moment without any; one may have come since.
        while !connections.is_empty() {
            connections.wait().await;
        }
    };
    // Whether or not all have ended by then.
    let _ = tokio::time::timeout(longest, waiting).await;
}

async fn accept(listener: &Listener, places: &Arc<Places>) -> std::io::Result<Accepted> {
    places.wait_for_one().await;
    listener.accept().await
}

/// Drives one connection to its end.
async fn drive(
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
