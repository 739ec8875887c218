//! How many messages the outbox has, for the metrics.

use std::time::Duration;

use crate::flows::Services;
use crate::flows::stored::lanes;
use crate::kernel::time::between;
use crate::kernel::{DocKey, Stopwatch, Timestamp};
use crate::outbox::{Delivery, DeliveryState};
use crate::store::{Scan, Stored, Unavailable};
use crate::telemetry::metrics;

/// When the messages were counted last. They are counted at most once in
/// [`COUNT_GAP`], however many programs ask for the metrics.
#[derive(Debug, Default)]
pub struct OutboxCount(tokio::sync::Mutex<Option<Stopwatch>>);

/// Messages are counted up to this number, which is enough to see a problem.
const COUNTED_MESSAGES_MAX: usize = 1000;

/// The minimum time between two counts of the messages.
const COUNT_GAP: Duration = Duration::from_secs(5);

impl OutboxCount {
    /// Counts, unless the last count is recent enough.
    pub async fn refresh(&self, services: &Services) -> Result<(), Unavailable> {
        let mut last = self.0.lock().await;
        if last.as_ref().is_some_and(|last| last.elapsed() < COUNT_GAP) {
            return Ok(());
        }
        count(services).await?;
        *last = Some(Stopwatch::start());
        Ok(())
    }
}

async fn count(services: &Services) -> Result<(), Unavailable> {
    let now = services.clock.now();
    for lane in lanes() {
        for (dead, state) in [(false, "pending"), (true, "dead")] {
            let scan =
                Scan::Outbox { lane, dead, queue: None, after: None, limit: COUNTED_MESSAGES_MAX };
            let page = services.store.scan(&scan).await?;
            metrics::outbox_messages(
                lane,
                state,
                u32::try_from(page.items.len()).unwrap_or(u32::MAX),
            );
            if !dead {
                metrics::outbox_oldest(lane, oldest_due(&page.items, now)?);
            }
        }
    }
    Ok(())
}

/// How long ago the oldest of the messages that are due was put into the
/// outbox.
fn oldest_due(messages: &[(DocKey, Stored)], now: Timestamp) -> Result<Duration, Unavailable> {
    let mut oldest = Duration::ZERO;
    for (_, stored) in messages {
        let delivery: Delivery = stored.document().map_err(Unavailable::from)?;
        // A message that is to be sent later is not late.
        if matches!(delivery.state, DeliveryState::Pending { due } if due <= now) {
            oldest = oldest.max(between(delivery.created_at, now));
        }
    }
    Ok(oldest)
}
