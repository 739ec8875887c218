//! Waits a limited time for changes of an order.

use std::time::Duration;

use crate::flows::{Listener, Services};
use crate::kernel::{Partition, Stopwatch};

/// How often a waiting request reads the store: another receiver may have done
/// the work.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Waits for changes of a partition.
pub(super) struct Watch {
    about: Partition,
    change_feed: Listener,
    since: Stopwatch,
    wait_max: Duration,
}

impl Watch {
    pub(super) fn over(services: &Services, about: Partition, wait_max: Duration) -> Watch {
        let change_feed = services.change_feed.listen();
        Watch { about, change_feed, since: Stopwatch::start(), wait_max }
    }

    /// Returns `true` when the store should be read again, or `false` at once
    /// when the time is over.
    pub(super) async fn goes_on(&mut self) -> bool {
        let left = self.wait_max.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            return false;
        }
        // The change feed is of this process; another one may have done the
        // work.
        let _ =
            tokio::time::timeout(left.min(LOOK_PAUSE), self.change_feed.watches(self.about)).await;
        true
    }
}
