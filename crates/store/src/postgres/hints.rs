//! Hints to the other receivers that the outbox has new messages.
//!
//! A hint is sent after the commit, on a connection of its own: within the
//! transactions of commits, `NOTIFY` would make them wait for one another.
//! Hints may get lost, so workers also poll.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::failed::Failed;
use super::link::{Connected, Link};
use crate::workers::Workers;
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::outbox::Lanes;

/// The minimum time between two hints of a receiver.
const HINT_GAP: Duration = Duration::from_millis(20);

/// How often a lost connection is noticed if there is nothing to say.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Sends a hint whenever `committed` was notified, and wakes the workers of
/// this receiver at hints of others, until the handle is dropped.
pub fn start(link: Arc<Link>, committed: Arc<Notify>, workers: Workers) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let name = format!("{:032x}", u128::from_be_bytes(random_bytes()));
        loop {
            // While there is no connection, other code reports that.
            if let Ok(connected) = link.get().await {
                if let Err(why) = exchange(&link, &connected, &name, &committed, &workers).await {
                    tracing::debug!(error = %why, "hints cannot be exchanged; will reconnect");
                }
                link.abandon(&connected).await;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }))
}

/// Exchanges hints over a connection until it breaks, or another server of the
/// database is promoted.
async fn exchange(
    link: &Link,
    connected: &Connected,
    name: &str,
    committed: &Notify,
    workers: &Workers,
) -> Result<(), Failed> {
    let mut received = connected.notifications();
    connected.execute("LISTEN tillgate_outbox").await?;
    while !connected.client.is_closed() && connected.is_current(&link.address) {
        tokio::select! {
            () = committed.notified() => {
                connected.ask("SELECT pg_notify('tillgate_outbox', $1)", &[&name]).await?;
                tokio::time::sleep(HINT_GAP).await;
            }
            Ok(()) = received.changed() => {
                if *received.borrow_and_update() != name {
                    workers.wake(Lanes::ALL);
                }
            }
            () = tokio::time::sleep(LOOK_PAUSE) => {}
        }
    }
    Ok(())
}
