//! The beginning: the schema is looked at before anything else is, and on a server that takes no writes yet that waits.
//!
//! In a fail-over a receiver may be started while there are only standbys. It answers that it is unavailable until one has
//! been promoted; if it ended instead, it would be started again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::address::Address;
use super::opened::{NotNow, OpenError, Opening};
use super::schema::{self, Migration};

/// Between two attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(250);

/// Looks at the schema until that succeeds, or shows that it is of no use.
pub async fn wait(address: Address, migration: Migration, opening: Arc<watch::Sender<Opening>>) {
    loop {
        tokio::time::sleep(ATTEMPT_PAUSE).await;
        match schema::prepare(&address, migration).await {
            Ok(()) => {
                tracing::info!(database = %address, "the database can be used");
                opening.send_replace(Opening::Open);
                return;
            }
            Err(OpenError::NotNow(NotNow { why, .. }) | OpenError::NotReached { why, .. }) => {
                opening.send_if_modified(|opening| match opening {
                    Opening::Waits { why: before } if *before != why => {
                        tracing::warn!(database = %address, reason = why, "the database cannot be used yet");
                        before.clone_from(&why);
                        true
                    }
                    Opening::Waits { .. } | Opening::Open | Opening::Failed { .. } => false,
                });
            }
            Err(why) => {
                tracing::error!(error = %why, "the database cannot be used");
                opening.send_replace(Opening::Failed { why: why.to_string() });
                return;
            }
        }
    }
}
