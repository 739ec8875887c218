//! The loop that all outbox workers share: claim due messages under a lease,
//! handle each in its own task, pause queues.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use tillgate_kernel::Stopwatch;
use tillgate_kernel::outbox::{Claim, Claimed, Lane};

use crate::Store;

/// How often the outbox is polled without a wake-up: retries become due.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// The loop over one lane.
#[derive(Debug)]
pub struct Dispatch {
    pub store: Store,
    pub lane: Lane,
    /// How long a claim is held: more than twice the time that a delivery may
    /// take.
    pub lease: Duration,
    /// The most messages in progress at the same time.
    pub at_once_max: usize,
    /// The most messages of one queue in progress at the same time.
    pub at_once_of_queue_max: usize,
    /// Whether a queue has at most one message in progress, and is paused after
    /// it.
    pub one_at_a_time: bool,
}

impl Dispatch {
    /// Runs until drained; deliveries in progress are finished. `deliver` sends
    /// the message, settles it, and returns how long to pause its queue.
    pub async fn run<F>(self, deliver: impl Fn(Claimed) -> F, drain: CancellationToken)
    where
        F: Future<Output = Duration> + Send + 'static,
    {
        let mut wakeups = self.store.outbox_wakeups();
        let mut under_way: JoinSet<Duration> = JoinSet::new();
        let mut busy: HashMap<tokio::task::Id, String> = HashMap::new();
        let mut paused_queues: HashMap<String, Option<Instant>> = HashMap::new();
        let mut after_queue = String::new();
        while !drain.is_cancelled() {
            let now = later_instant(Duration::ZERO);
            paused_queues.retain(|_, until| until.is_none_or(|until| until > now));
            // One slow peer must not take every slot.
            let mut full: HashMap<&str, usize> = HashMap::new();
            for queue in busy.values() {
                *full.entry(queue.as_str()).or_default() += 1;
            }
            full.retain(|_, count| *count >= self.at_once_of_queue_max);
            let claim = Claim {
                lane: self.lane,
                lease: self.lease,
                limit: self.at_once_max.saturating_sub(under_way.len()),
                paused_queues: paused_queues
                    .keys()
                    .cloned()
                    .chain(full.keys().map(|queue| (*queue).to_owned()))
                    .collect(),
                after_queue: after_queue.clone(),
            };
            let mut claimed_any = false;
            let since_claim = Stopwatch::start();
            match self.store.claim(&claim).await {
                Ok(claimed) => {
                    for message in claimed {
                        claimed_any = true;
                        let queue = message.delivery.queue.clone();
                        after_queue.clone_from(&queue);
                        if self.one_at_a_time {
                            paused_queues.insert(queue.clone(), None); // until its task ends
                        }
                        // A process that was suspended and resumes much later
                        // must not act: another one may have claimed the
                        // message.
                        let fresh_for = self.lease / 2;
                        let delivering = deliver(message);
                        let task = under_way.spawn(async move {
                            if since_claim.elapsed() > fresh_for {
                                Duration::ZERO
                            } else {
                                delivering.await
                            }
                        });
                        busy.insert(task.id(), queue);
                    }
                }
                Err(why) => {
                    tracing::warn!(lane = %self.lane, error = %why, "the outbox cannot be read")
                }
            }
            // A claim takes one message of each queue: there may be more.
            if claimed_any && !self.one_at_a_time && under_way.len() < self.at_once_max {
                continue;
            }
            tokio::select! {
                () = drain.cancelled() => {}
                _ = wakeups.changed() => {}
                Some(ended) = under_way.join_next_with_id() => {
                    // A task that panicked leaves its message to the lease.
                    let (id, rest) = ended.unwrap_or_else(|panic| (panic.id(), Duration::ZERO));
                    if let Some(queue) = busy.remove(&id)
                        && (self.one_at_a_time || !rest.is_zero())
                    {
                        paused_queues.insert(queue, Some(later_instant(rest)));
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
