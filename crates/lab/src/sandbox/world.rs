//! The state that the parts of the sandbox share.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Setup;
use super::ledger::Ledger;
use super::trouble::Troubles;
use tillgate_peer::Client;

#[derive(Debug)]
pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) address: SocketAddr,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) troubles: Mutex<Troubles>,
    /// The address of YooKassa's notifications. At the real YooKassa it is set
    /// in the shop's cabinet.
    pub(super) yookassa_notifications: Mutex<Option<String>>,
    /// Counts events, so that tests can wait for them.
    pub(super) happened: watch::Sender<u64>,
    pub(super) client: Client,
    pub(super) stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn something_happened(&self) {
        self.happened.send_modify(|count| *count += 1);
    }
}
