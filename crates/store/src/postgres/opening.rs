//! Opening the store: the schema is checked before anything else, and on a
//! server that does not accept writes yet, this waits.
//!
//! During a fail-over a receiver may be started while there are only standbys.
//! It answers that it is unavailable until one of them has been promoted. If it
//! exited instead, it would be restarted again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::address::Address;
use super::opened::{NoPrimary, OpenError, Opening};
use super::schema::{self, Migration};

/// The pause between two attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(250);

/// Checks the schema until that succeeds, or fails for good.
pub async fn wait(address: Address, migration: Migration, opening: Arc<watch::Sender<Opening>>) {
    loop {
        tokio::time::sleep(ATTEMPT_PAUSE).await;
        match schema::prepare(&address, migration).await {
            Ok(()) => {
                tracing::info!(database = %address, "the database is available");
                opening.send_replace(Opening::Open);
                return;
            }
            Err(
                OpenError::NoPrimary(NoPrimary { why, .. }) | OpenError::NotReached { why, .. },
            ) => {
                opening.send_if_modified(|opening| match opening {
                    Opening::Waits { why: before } if *before != why => {
                        tracing::warn!(
                            database = %address,
                            reason = why,
                            "the database is not available yet"
                        );
                        before.clone_from(&why);
                        true
                    }
                    Opening::Waits { .. } | Opening::Open | Opening::Failed { .. } => false,
                });
            }
            Err(why) => {
                tracing::error!(error = %why, "the database cannot be used: tillgate stops");
                opening.send_replace(Opening::Failed { why: why.to_string() });
                return;
            }
        }
    }
}
