//! The beginning: the schema is looked at before anything else is, and on a server that takes no writes yet that waits.
//!
//! In a fail-over a receiver may be started while there are only standbys. It answers that it is unavailable until one has
//! been promoted; if it ended instead, it would be started again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::address::Address;
use super::schema::{self, Migration};

/// Between two attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(250);

/// Whether the store may be used.
#[derive(Debug, Clone)]
pub enum Opening {
    /// The schema is known to be ours.
    Open,
    /// It could not be looked at yet.
    Waits {
        /// Why.
        why: String,
    },
    /// It is not ours: nothing will come of it.
    Failed {
        /// Why.
        why: String,
    },
}

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

/// Why a database cannot be used as a store. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It lives, and takes no writes now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// It cannot be reached.
    #[error("{address}: {why}. Is PostgreSQL running there, and may this user log in?")]
    NotReached {
        /// Where, without a password.
        address: String,
        /// What was said.
        why: String,
    },
    /// Its schema is of a version that this program does not know.
    #[error(
        "{address}: the schema is of version {found}, made by a newer tillgate, and this one knows {known}. Run the \
         newer one"
    )]
    Newer {
        /// Where.
        address: String,
        /// The version there.
        found: i32,
        /// The version here.
        known: i32,
    },
    /// Its schema is older, and is not to be changed.
    #[error(
        "{address}: the schema is of version {found}, and {known} is needed. Run: tillgate migrate, as a user who may \
         create tables"
    )]
    Older {
        /// Where.
        address: String,
        /// The version there.
        found: i32,
        /// The version here.
        known: i32,
    },
    /// The schema could not be changed.
    #[error("{address}: the schema could not be brought to version {known}: {why}")]
    NotMigrated {
        /// Where.
        address: String,
        /// The version here.
        known: i32,
        /// What was said.
        why: String,
    },
}

/// A database that lives and takes no writes now.
#[derive(Debug, thiserror::Error)]
#[error(
    "{address}: no server there takes writes now ({why}). Is a fail-over under way? Promote a standby, or name its primary"
)]
pub struct NotNow {
    /// Where, without a password.
    pub address: String,
    /// What each server said.
    pub why: String,
}
