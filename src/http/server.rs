//! Connections: accepted up to a limit, driven by hyper with time-outs, and drained before the end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use listenfd::ListenFd;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Who is at the other end of a request's connection: a proxy, if there is one.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Connections that are open at the same time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;

/// How long a request's head may take to come. An idle connection is closed after it too, so it must be
/// longer than a proxy in front keeps idle connections: the proxy is the one to close.
const HEAD_SECONDS_MAX: u64 = 75;

/// How much of a request's head is read, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long the first request on a connection is awaited that was taken just before the end.
const LAST_REQUEST_MAX: Duration = Duration::from_secs(1);

/// How long requests under way may take to end after that.
const DRAIN_SECONDS_MAX: u64 = 10;

/// When accepting fails for want of descriptors, waiting helps and spinning does not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on `address`.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Takes the socket that was handed over by whoever started this process (systemd's socket activation), or else listens
/// on `address`. A socket that is handed on stays open while one process follows another, and no connection is
/// refused meanwhile. There is one: to be called once.
pub async fn listen_or_inherit(address: SocketAddr) -> io::Result<TcpListener> {
    match ListenFd::from_env().take_tcp_listener(0)? {
        Some(handed_over) => {
            handed_over.set_nonblocking(true)?;
            TcpListener::from_std(handed_over)
        }
        None => listen(address).await,
    }
}

/// Serves until `drain`, then until every request under way is answered, but not longer than allowed. Answers given
/// while draining must say that their connection ends.
///
/// For `idle_drain` new connections are still taken, and idle ones stay open, so that a proxy in front closes them and
/// not we: what it sends on a connection that is just being closed is lost, and what it sends while nobody takes
/// connections waits for the next process.
pub async fn serve(listener: TcpListener, routes: Router, drain: CancellationToken, idle_drain: Duration) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        // A sender that hangs up looks like one that has only finished writing: what it wrote is worked on.
        .half_close(true)
        .keep_alive(true)
        .pipeline_flush(true);
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
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                tracing::warn!(error = %why, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let routes = TowerToHyperService::new(routes.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            routes.call(request)
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        connections.spawn(async move {
            // A broken connection is its peer's affair.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    // hyper closes a connection on which no request has come yet, and on those just taken one is on its way.
    none_left(&connections, idle_drain.min(LAST_REQUEST_MAX)).await;
    let patience = Duration::from_secs(DRAIN_SECONDS_MAX);
    if tokio::time::timeout(patience, graceful.shutdown()).await.is_err() {
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

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}
