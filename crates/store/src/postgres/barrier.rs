//! Barriers: they confirm that what a server shows is kept as its commits
//! promise.
//!
//! What can be read on a primary was committed there, but may not be on any
//! standby yet: a commit whose wait was cancelled, or that a crash interrupted,
//! is visible all the same. A small commit of our own that returns without a
//! warning confirms all commits before it. While the standby is away it does
//! not return, and its backend on the server waits until the standby is back,
//! even if we close the connection. So each connection sends one barrier at a
//! time, and while one is overdue, no other is sent.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::address::Address;
use super::failed::Failed;
use super::known::OVERDUE;
use super::link::Connected;

/// Writes a record to the write-ahead log and nothing else. Its commit waits
/// for all earlier commits.
const BARRIER: &str = "SELECT pg_logical_emit_message(true, 'tillgate', 'barrier')";

impl Address {
    /// Whether commits on the current primary do not return.
    pub(super) fn stands_still(&self) -> bool {
        self.known.barriers.is_any_overdue(self.seen().timeline.unwrap_or_default())
    }

    /// Sends a barrier on a connection, and waits until it returns.
    pub(super) async fn barrier(&self, connected: &Arc<Connected>) -> Result<(), Failed> {
        if self.stands_still() {
            return Err(Failed::StandsStill);
        }
        let (answer, answered) = oneshot::channel();
        let (address, on) = (self.clone(), Arc::clone(connected));
        let number = self.known.barriers.enter(connected.timeline());
        // A separate task holds the connection, because the server keeps
        // waiting after we have given up.
        tokio::spawn(async move {
            let before = on.warnings();
            let outcome = match on.client.batch_execute(BARRIER).await {
                Ok(()) => on.unless_warned(&address, before, ()),
                Err(why) => {
                    address.note_unconfirmed();
                    Err(Failed::PrimaryStatus(why))
                }
            };
            address.known.barriers.leave(number);
            let _ = answer.send(outcome); // the caller may have timed out
        });
        match tokio::time::timeout(OVERDUE, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => {
                self.note_unconfirmed();
                Err(Failed::TooSlow)
            }
        }
    }
}
