//! Serves connections: accepts them up to a limit, drives them with hyper under
//! deadlines, and drains them on shutdown.
//!
//! The resources that a peer can use are bounded: the number of connections
//! ([`places`]); how long a connection may be silent before its first request,
//! between requests, and while it does not accept our answer; and how much is
//! read of a body that no handler wants ([`lent`]).

mod connection;
mod handler;
mod lent;
mod listener;
mod places;
mod wellformed;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::{builder, drive};
pub use self::handler::{Answer, Peer, RequestHandler};
pub use self::lent::BorrowedBody;
use self::listener::Accepted;
pub use self::listener::{Listener, listen, listen_at, listen_or_inherit};
pub use self::places::Limits;
use self::places::Places;

/// How long to wait for the first request of a connection that was accepted
/// just before the shutdown.
const LAST_REQUEST_MAX: Duration = Duration::from_secs(1);

/// How long requests in progress may take after that.
const DRAIN_SECONDS_MAX: u64 = 10;

/// How long to wait when accepting fails because there are no file descriptors
/// left. Retrying at once would not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `drain` is cancelled, then until every request in progress is
/// answered, within the time limits. Answers sent while draining must say that
/// their connection closes.
///
/// For `idle_drain`, new connections are still accepted and idle ones stay
/// open, so that a proxy in front closes them and not this process. What a
/// proxy sends on a connection that is just being closed is lost. What it sends
/// while nobody accepts connections waits for the next process.
pub async fn serve(
    listener: Listener,
    handler: impl RequestHandler,
    limits: Limits,
    drain: CancellationToken,
    idle_drain: Duration,
) {
    let places = Places::new(limits);
    let connections = TaskTracker::new();
    let builder = builder();
    let ending = async {
        drain.cancelled().await;
        connections.close(); // new connections are still tracked
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
                tracing::warn!(error = %why, "cannot accept a connection; will try again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = places.take(peer) else { continue };
        connections.spawn(drive(builder.clone(), stream, peer, place, handler.clone()));
    }
    drop(listener);
    // hyper closes a connection that has had no request yet, and a request may
    // be on its way on a connection just accepted.
    none_left(&connections, idle_drain.min(LAST_REQUEST_MAX)).await;
    places.end_all();
    connections.close();
    let deadline = Duration::from_secs(DRAIN_SECONDS_MAX);
    if tokio::time::timeout(deadline, connections.wait()).await.is_err() {
        tracing::warn!(
            seconds = DRAIN_SECONDS_MAX,
            "some connections did not finish in time and were closed"
        );
    }
}

/// Waits until no connection is left, at most for `longest`.
async fn none_left(connections: &TaskTracker, longest: Duration) {
    let waiting = async {
        // The wait ends when there was a moment without connections; a new one
        // may have arrived since.
        while !connections.is_empty() {
            connections.wait().await;
        }
    };
    // Continues whether or not all connections have ended.
    let _ = tokio::time::timeout(longest, waiting).await;
}

async fn accept(listener: &Listener, places: &Arc<Places>) -> std::io::Result<Accepted> {
    places.wait_for_one().await;
    listener.accept().await
}
