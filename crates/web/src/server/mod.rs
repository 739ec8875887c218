//! Connections: accepted up to a limit, driven by hyper with deadlines, and drained before the end.
//!
//! What a peer makes us hold is bounded: how many connections there are ([`places`]), how long one may be silent before its
//! first request, between requests and while it does not take our answer, and what is read of a body that nobody wants
//! ([`lent`]).

mod connection;
mod lent;
mod listener;
mod places;
mod wellformed;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::{builder, drive};
use self::listener::Accepted;
pub use self::listener::{Listener, listen, listen_at, listen_or_inherit};
pub use self::places::Limits;
use self::places::Places;

/// Who is at the other end of a request's connection: a proxy, if there is one. None behind a unix socket, which only
/// programs of this machine can open.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub Option<IpAddr>);

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
    let builder = builder();
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
