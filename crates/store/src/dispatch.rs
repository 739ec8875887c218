//! The loop that all outbox workers share: claim due messages under a lease,
//! handle each in its own task, pause queues.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use tillgate_kernel::Stopwatch;
use tillgate_kernel::outbox::{Claim, Claimed, Lane, Ordering};

use crate::Store;
use crate::workers::{Handover, NewMessages};

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
    /// Whether commits hand new messages to it, without a claim. The lane has
    /// no order, and none of its queues is ever paused.
    pub takes_new: bool,
}

impl Dispatch {
    /// Runs until drained; deliveries in progress are finished. `deliver` sends
    /// the message, settles it, and returns how long to pause its queue.
    pub async fn run<F>(self, deliver: impl Fn(Claimed) -> F, drain: CancellationToken)
    where
        F: Future<Output = Duration> + Send + 'static,
    {
        let mut wakeups = self.store.outbox_wakeups(self.lane);
        let mut under_way = UnderWay::new(self.at_once_max);
        let mut new = None;
        if self.takes_new {
            let slots = Arc::clone(&under_way.slots);
            new = self.store.take_new(self.lane, self.lease, slots);
        }
        let mut paused_queues: HashMap<String, Option<Instant>> = HashMap::new();
        let mut after_queue = String::new();
        while !drain.is_cancelled() {
            let now = later_instant(Duration::ZERO);
            paused_queues.retain(|_, until| until.is_none_or(|until| until > now));
            let mut slots = under_way.reserve(new.is_some());
            let limit = slots.num_permits();
            let claim = self.claim(limit, &under_way, paused_queues.keys(), &after_queue);
            let mut of_queue = 0;
            let mut may_have_more = false;
            let since_claim = Stopwatch::start();
            let claimed = if limit == 0 { Ok(Vec::new()) } else { self.store.claim(&claim).await };
            match claimed {
                Ok(claimed) => {
                    for message in claimed {
                        // No engine claims more than the limit.
                        let Some(slot) = slots.split(1) else { break };
                        let queue = message.delivery.queue.clone();
                        of_queue = if queue == after_queue { of_queue + 1 } else { 1 };
                        may_have_more |= of_queue >= claim.limit_of_queue && !self.one_at_a_time;
                        after_queue.clone_from(&queue);
                        if self.one_at_a_time {
                            paused_queues.insert(queue.clone(), None); // until its task ends
                        }
                        let delivering = self.unless_late(since_claim, deliver(message));
                        under_way.start(queue, slot, delivering);
                    }
                }
                Err(why) => {
                    tracing::warn!(lane = %self.lane, error = %why, "the outbox cannot be read")
                }
            }
            drop(slots);
            if may_have_more && !under_way.is_full() {
                continue;
            }
            let look = tokio::time::sleep(LOOK_PAUSE);
            tokio::pin!(look);
            // Until there may be something to claim.
            loop {
                let was_full = under_way.is_full();
                tokio::select! {
                    () = drain.cancelled() => {}
                    _ = wakeups.changed(), if !was_full => {}
                    Some(Handover { claimed, slot, since }) = next(&mut new) => {
                        let queue = claimed.delivery.queue.clone();
                        let delivering = self.unless_late(since, deliver(claimed));
                        under_way.start(queue, slot, delivering);
                        continue;
                    }
                    Some((queue, count, rest)) = under_way.ended() => {
                        if self.one_at_a_time || !rest.is_zero() {
                            paused_queues.insert(queue, Some(later_instant(rest)));
                        }
                        if !was_full && count < self.at_once_of_queue_max {
                            continue; // the latest claim was not limited by it
                        }
                    }
                    () = &mut look => {}
                }
                break;
            }
        }
        // Commits may have reserved slots.
        if let Some(new) = &mut new {
            new.end();
        }
        while let Some(Handover { claimed, slot, since }) = next(&mut new).await {
            let queue = claimed.delivery.queue.clone();
            under_way.start(queue, slot, self.unless_late(since, deliver(claimed)));
        }
        while under_way.tasks.join_next().await.is_some() {}
    }

    /// The delivery, unless half of the lease is over when it begins. A process
    /// that was suspended and resumes much later must not act: another one may
    /// have claimed the message.
    fn unless_late(
        &self,
        since: Stopwatch,
        delivering: impl Future<Output = Duration> + Send + 'static,
    ) -> impl Future<Output = Duration> + Send + 'static {
        let fresh_for = self.lease / 2;
        async move { if since.elapsed() > fresh_for { Duration::ZERO } else { delivering.await } }
    }

    /// The next claim.
    fn claim<'a>(
        &self,
        limit: usize,
        under_way: &'a UnderWay,
        paused_queues: impl Iterator<Item = &'a String>,
        after_queue: &str,
    ) -> Claim {
        // One slow peer must not take every slot.
        let is_full = |count: usize| count >= self.at_once_of_queue_max;
        let queues = under_way.queues.iter();
        let full = queues.filter(|(_, count)| is_full(**count)).map(|(queue, _)| queue);
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
struct UnderWay {
    /// Those that may begin.
    slots: Arc<Semaphore>,
    tasks: JoinSet<Duration>,
    /// The queue of each task.
    queue_of: HashMap<tokio::task::Id, String>,
    /// How many tasks each queue has.
    queues: HashMap<String, usize>,
}

impl UnderWay {
    fn new(at_once_max: usize) -> UnderWay {
        UnderWay {
            slots: Arc::new(Semaphore::new(at_once_max)),
            tasks: JoinSet::new(),
            queue_of: HashMap::new(),
            queues: HashMap::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.slots.available_permits() == 0
    }

    /// Slots for a claim: those that are free, or about half of them if commits
    /// need some meanwhile.
    fn reserve(&self, is_shared: bool) -> OwnedSemaphorePermit {
        loop {
            let free = self.slots.available_permits();
            let count = if is_shared { free.div_ceil(2) } else { free };
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            // A commit may have taken some.
            if let Ok(slots) = Arc::clone(&self.slots).try_acquire_many_owned(count) {
                return slots;
            }
        }
    }

    fn start(
        &mut self,
        queue: String,
        slot: OwnedSemaphorePermit,
        delivering: impl Future<Output = Duration> + Send + 'static,
    ) {
        let task = self.tasks.spawn(async move {
            let _slot = slot;
            delivering.await
        });
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

/// The next message that a commit hands over. `None` when there will be no
/// more.
async fn next(new: &mut Option<NewMessages>) -> Option<Handover> {
    new.as_mut()?.next().await
}

#[expect(clippy::disallowed_methods, reason = "tokio's own clock, for its timers")]
fn later_instant(by: Duration) -> Instant {
    Instant::now() + by
}
