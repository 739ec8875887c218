//! The loop that all outbox workers share: claim due messages under a lease,
//! handle each in its own task, pause queues.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use tillgate_kernel::Stopwatch;
use tillgate_kernel::outbox::{Claim, Claimed, Lane, Ordering};

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
        let mut wakeups = self.store.outbox_wakeups(self.lane);
        let mut under_way = UnderWay::default();
        let mut paused_queues: HashMap<String, Option<Instant>> = HashMap::new();
        let mut after_queue = String::new();
        while !drain.is_cancelled() {
            let now = later_instant(Duration::ZERO);
            paused_queues.retain(|_, until| until.is_none_or(|until| until > now));
            let claim = self.claim(&under_way, paused_queues.keys(), &after_queue);
            let mut of_queue = 0;
            let mut may_have_more = false;
            let since_claim = Stopwatch::start();
            match self.store.claim(&claim).await {
                Ok(claimed) => {
                    for message in claimed {
                        let queue = message.delivery.queue.clone();
                        of_queue = if queue == after_queue { of_queue + 1 } else { 1 };
                        may_have_more |= of_queue >= claim.limit_of_queue && !self.one_at_a_time;
                        after_queue.clone_from(&queue);
                        if self.one_at_a_time {
                            paused_queues.insert(queue.clone(), None); // until its task ends
                        }
                        // A process that was suspended and resumes much later
                        // must not act: another one may have claimed the
                        // message.
                        let fresh_for = self.lease / 2;
                        let delivering = deliver(message);
                        under_way.start(queue, async move {
                            if since_claim.elapsed() > fresh_for {
                                Duration::ZERO
                            } else {
                                delivering.await
                            }
                        });
                    }
                }
                Err(why) => {
                    tracing::warn!(lane = %self.lane, error = %why, "the outbox cannot be read")
                }
            }
            if may_have_more && under_way.tasks.len() < self.at_once_max {
                continue;
            }
            let look = tokio::time::sleep(LOOK_PAUSE);
            tokio::pin!(look);
            // Until there may be something to claim.
            loop {
                let was_full = under_way.tasks.len() >= self.at_once_max;
                tokio::select! {
                    () = drain.cancelled() => {}
                    _ = wakeups.changed(), if !was_full => {}
                    Some((queue, count, rest)) = under_way.ended() => {
                        if self.one_at_a_time || !rest.is_zero() {
                            paused_queues.insert(queue, Some(later_instant(rest)));
                        }
                        if !was_full && count < self.at_once_of_queue_max {
                            continue; // the latest claim was not limited by it
                        }
                    }
                    () = &mut look, if !was_full => {}
                }
                break;
            }
        }
        while under_way.tasks.join_next().await.is_some() {}
    }

    /// The next claim.
    fn claim<'a>(
        &self,
        under_way: &'a UnderWay,
        paused_queues: impl Iterator<Item = &'a String>,
        after_queue: &str,
    ) -> Claim {
        // One slow peer must not take every slot.
        let is_full = |count: usize| count >= self.at_once_of_queue_max;
        let queues = under_way.queues.iter();
        let full = queues.filter(|(_, count)| is_full(**count)).map(|(queue, _)| queue);
        let limit = self.at_once_max.saturating_sub(under_way.tasks.len());
        // Where one queue may take every slot, no other waits for its turn. In
        // an order, the message that may be next depends on the one before it.
        let has_turns = self.at_once_of_queue_max < self.at_once_max;
        let is_in_order = self.lane.ordering() != Ordering::None;
        Claim {
            lane: self.lane,
            lease: self.lease,
            limit,
            limit_of_queue: if has_turns || is_in_order { 1 } else { limit },
            paused_queues: paused_queues.chain(full).cloned().collect(),
            after_queue: after_queue.to_owned(),
        }
    }
}

/// The deliveries in progress.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<Duration>,
    /// The queue of each task.
    queue_of: HashMap<tokio::task::Id, String>,
    /// How many tasks each queue has.
    queues: HashMap<String, usize>,
}

impl UnderWay {
    fn start(&mut self, queue: String, task: impl Future<Output = Duration> + Send + 'static) {
        let task = self.tasks.spawn(task);
        *self.queues.entry(queue.clone()).or_default() += 1;
        self.queue_of.insert(task.id(), queue);
    }

    /// Waits for the end of a task. Returns its queue, how many tasks that had,
    /// and how long to pause it. `None` if nothing is in progress.
    async fn ended(&mut self) -> Option<(String, usize, Duration)> {
        let ended = self.tasks.join_next_with_id().await?;
        // A task that panicked leaves its message to the lease.
        let (id, rest) = ended.unwrap_or_else(|panic| (panic.id(), Duration::ZERO));
        let queue = self.queue_of.remove(&id)?;
        let count = self.queues.remove(&queue).unwrap_or(0);
        if count > 1 {
            self.queues.insert(queue.clone(), count - 1);
        }
        Some((queue, count, rest))
    }
}

#[expect(clippy::disallowed_methods, reason = "tokio's own clock, for its timers")]
fn later_instant(by: Duration) -> Instant {
    Instant::now() + by
}
