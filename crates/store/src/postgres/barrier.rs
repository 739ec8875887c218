//! Barriers: whether what a server shows is kept as its commits promise.
//!
//! What can be read of a primary was committed there, and may be on no standby yet: a commit whose wait was cancelled, or
//! that a crash has ended, is visible all the same. A small commit of our own that comes back without a warning says that all
//! commits before it are kept. While the standby is away it does not come back, and its backend at the server waits until the
//! standby is back, even if we close the connection. So each connection sends one barrier at a time, and while one is
//! overdue no other is sent.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::address::Address;
use super::failed::Failed;
use super::known::OVERDUE;
use super::link::Connected;

/// Writes a line into the log of what is to come and nothing else: its commit waits for all that were made before it.
const BARRIER: &str = "SELECT pg_logical_emit_message(true, 'tillgate', 'barrier')";

impl Address {
    /// Whether no commit comes back from the server that is written to.
    pub(super) fn stands_still(&self) -> bool {
        self.known.barriers.is_any_overdue(self.seen().timeline.unwrap_or_default())
    }

    /// Sends a barrier on a connection, and waits until it has come back.
    pub(super) async fn barrier(&self, connected: &Arc<Connected>) -> Result<(), Failed> {
        if self.stands_still() {
            return Err(Failed::StandsStill);
        }
        let (answer, answered) = oneshot::channel();
        let (address, on) = (self.clone(), Arc::clone(connected));
        let number = self.known.barriers.enter(connected.timeline());
        // A task of its own holds the connection, because the server goes on waiting after we have given up.
        tokio::spawn(async move {
            let before = on.warnings();
            let outcome = match on.client.batch_execute(BARRIER).await {
                Ok(()) => on.unless_warned(&address, before, ()),
                Err(why) => {
                    address.doubt();
                    Err(Failed::Said(why))
                }
            };
            address.known.barriers.leave(number);
            let _ = answer.send(outcome); // the caller may have timed out
        });
        match tokio::time::timeout(OVERDUE, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => {
                self.doubt();
                Err(Failed::TooSlow)
            }
        }
    }
}
