//! The loop of those who work from the outbox: claim what is due under a lease, hand each message to its own task, let
//! queues rest.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::flows::Shop;
use crate::kernel::Stopwatch;
use crate::outbox::Lane;
use crate::outbox::{Claim, Claimed};

/// How often the outbox is looked at without being rung: retries come due.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Who works from a lane, and how.
#[derive(Debug)]
pub struct Dispatch {
    /// The outbox.
    pub shop: Shop,
    /// Which lane.
    pub lane: Lane,
    /// How long a claim is held: more than twice what handing over may take.
    pub lease: Duration,
    /// Messages under way at the same moment.
    pub at_once_max: usize,
    /// Of them, messages of one queue.
    pub at_once_of_queue_max: usize,
    /// Whether a queue has one message under way at most, and rests after it.
    pub one_at_a_time: bool,
}

impl Dispatch {
    /// Runs until drained; what is under way is finished. `deliver` acts, settles, and returns how long the
    /// message's queue is to rest.
    pub async fn run<F>(self, deliver: impl Fn(Claimed) -> F, drain: CancellationToken)
    where
        F: Future<Output = Duration> + Send + 'static,
    {
        let mut bell = self.shop.store.outbox_bell();
        let mut under_way: JoinSet<Duration> = JoinSet::new();
        let mut busy: HashMap<tokio::task::Id, String> = HashMap::new();
        let mut resting: HashMap<String, Option<Instant>> = HashMap::new();
        while !drain.is_cancelled() {
            let now = later_instant(Duration::ZERO);
            resting.retain(|_, until| until.is_none_or(|until| until > now));
            // One slow peer must not take every place.
            let mut full: HashMap<&str, usize> = HashMap::new();
            for queue in busy.values() {
                *full.entry(queue.as_str()).or_default() += 1;
            }
            full.retain(|_, count| *count >= self.at_once_of_queue_max);
            let claim = Claim {
                lane: self.lane,
                lease: self.lease,
                limit: self.at_once_max.saturating_sub(under_way.len()),
                resting: resting
                    .keys()
                    .cloned()
                    .chain(full.keys().map(|queue| (*queue).to_owned()))
                    .collect(),
            };
            let mut claimed_any = false;
            let since_claim = Stopwatch::start();
            match self.shop.store.claim(&claim).await {
                Ok(claimed) => {
                    for message in claimed {
                        claimed_any = true;
                        let queue = message.delivery.queue.clone();
                        if self.one_at_a_time {
                            resting.insert(queue.clone(), None); // until its task is back
                        }
                        // Whoever was stopped and goes on much later must not act: another may have the message.
                        let fresh_for = self.lease / 2;
                        let delivering = deliver(message);
                        let task = under_way.spawn(async move {
                            if since_claim.elapsed() > fresh_for { Duration::ZERO } else { delivering.await }
                        });
                        busy.insert(task.id(), queue);
                    }
                }
                Err(why) => tracing::warn!(lane = %self.lane, error = %why, "the outbox cannot be read"),
            }
            // A claim takes one message of each queue: there may be more.
            if claimed_any && !self.one_at_a_time && under_way.len() < self.at_once_max {
                continue;
            }
            tokio::select! {
                () = drain.cancelled() => {}
                _ = bell.changed() => {}
                Some(ended) = under_way.join_next_with_id() => {
                    // A task that panicked leaves its message to the lease.
                    let (id, rest) = ended.unwrap_or_else(|panic| (panic.id(), Duration::ZERO));
                    if let Some(queue) = busy.remove(&id)
                        && (self.one_at_a_time || !rest.is_zero())
                    {
                        resting.insert(queue, Some(later_instant(rest)));
                    }
                }
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }
}

#[expect(clippy::disallowed_methods, reason = "tokio's own clock, for its timers")]
fn later_instant(by: Duration) -> Instant {
    Instant::now() + by
}
