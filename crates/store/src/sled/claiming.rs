//! Claims of the outbox: leases that one process holds in memory.

use super::layout::Unpacked;
use super::reading::SLOW_READ_MAX;
use super::versions::group_of;
use super::{Sled, lists};
use crate::Unavailable;
use crate::workers::Workers;
use std::cell::{Cell, RefCell};
use std::sync::{Arc, PoisonError};
use tillgate_kernel::Timestamp;
use tillgate_kernel::outbox::message_key;
use tillgate_kernel::outbox::{Claim, Claimed};
use tokio::sync::oneshot;

impl Sled {
    pub(crate) async fn claim(
        self: &Arc<Self>,
        claim: &Claim,
    ) -> Result<Vec<Claimed>, Unavailable> {
        let claim = claim.clone();
        let (sender, mut receiver) = oneshot::channel();
        let read = self
            .read(SLOW_READ_MAX, move |store| {
                let newest = Cell::new(0);
                let unpacked = Unpacked::default();
                let mut leases = store.leases.lock().unwrap_or_else(PoisonError::into_inner);
                let walk = RefCell::new(lists::Walk::new(&store.tree));
                let claimed = leases.claim(
                    &claim,
                    store.clock.now(),
                    |after| walk.borrow_mut().next(after),
                    |id| {
                        let key = message_key(id);
                        let found = match store.recent_documents(&[key]) {
                            Some(found) => found?.pop(),
                            None => store.read_all(&[key], &unpacked)?.pop(),
                        };
                        let Some(stored) = found.flatten() else { return Ok(None) };
                        newest.set(newest.get().max(group_of(stored.version)));
                        Ok(Some(stored.document()?))
                    },
                )?;
                drop(leases);
                if let Err((unsent, _)) = sender.send((claimed, newest.get())) {
                    store.give_back(&unsent);
                }
                Ok(())
            })
            .await;
        let Ok((claimed, newest)) = receiver.try_recv() else {
            // Leases that are claimed later are given back: `receiver` is
            // dropped by then, so sending them fails.
            return read.map(|()| Vec::new());
        };
        // A message is not handed out before it is durable.
        match read.and(self.durable(newest).await) {
            Ok(()) => Ok(claimed),
            Err(why) => {
                self.give_back(&claimed);
                Err(why)
            }
        }
    }

    /// Releases leases whose messages were not handed out.
    fn give_back(&self, claimed: &[Claimed]) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        for Claimed { ticket, .. } in claimed {
            if leases.holds(*ticket) {
                leases.release(*ticket);
            }
        }
    }

    pub(crate) fn outbox_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) const fn workers(&self) -> &Workers {
        &self.workers
    }
}
