//! Deadlines for requests, checked ten times a second by one thread.
//!
//! A request has several: for its head, for its body, for the work. A timer of
//! the runtime for each would cost as much as reading the request. These cost
//! an entry in a table, and end up to [`TICK`] late.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;
use tillgate_kernel::Stopwatch;

/// How often deadlines are checked.
const TICK: Duration = Duration::from_millis(100);

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

/// Waits for `work` until `longest` has passed.
pub async fn within<F: Future>(longest: Duration, work: F) -> Result<F::Output, Elapsed> {
    let (mut work, mut sleep) = (pin!(work), Sleep::new(longest));
    std::future::poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        Pin::new(&mut sleep).poll(context).map(|()| Err(Elapsed))
    })
    .await
}

/// The deadlines that somebody waits for. Several tables, so that threads
/// rarely wait for each other.
struct Deadlines {
    began: Stopwatch,
    tables: [Mutex<Slab<Waiting>>; TABLES],
}

/// More than there are worker threads on most machines; with more threads,
/// some share a table.
const TABLES: usize = 16;

/// The time of a deadline for which nobody needs to be woken any more.
const NEVER: u64 = u64::MAX;

struct Waiting {
    /// Milliseconds since the start.
    until: u64,
    waker: Waker,
}

static DEADLINES: LazyLock<Deadlines> = LazyLock::new(|| {
    let ticking = std::thread::Builder::new().name("deadlines".into());
    if let Err(why) = ticking.spawn(|| {
        loop {
            std::thread::sleep(TICK);
            DEADLINES.wake_overdue(DEADLINES.now());
        }
    }) {
        tracing::error!(
            error = %why,
            "requests have no time limits: the thread that checks them cannot start. Raise the \
             limit of threads (ulimit -u), and restart tillgate"
        );
    }
    Deadlines { began: Stopwatch::start(), tables: Default::default() }
});

impl Deadlines {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn table(&self, number: usize) -> MutexGuard<'_, Slab<Waiting>> {
        self.tables[number % TABLES].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everybody whose deadline has passed, once: some are not interested
    /// in it any more, and keep it until their connection ends.
    fn wake_overdue(&self, now: u64) {
        for number in 0..TABLES {
            let mut overdue = Vec::new();
            for (_, waiting) in self.table(number).iter_mut() {
                if waiting.until <= now {
                    waiting.until = NEVER;
                    overdue.push(waiting.waker.clone());
                }
            }
            // Not under the lock: a task that is woken or ends may need it.
            overdue.into_iter().for_each(Waker::wake);
        }
    }
}

/// Ends after a duration, up to [`TICK`] late.
#[derive(Debug)]
struct Sleep {
    until: u64,
    /// The table and the place in it, once it was waited for.
    place: Option<(usize, usize)>,
}

thread_local! {
    /// The table in which this thread enters deadlines.
    static TABLE: usize = {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    };
}

impl Sleep {
    fn new(longest: Duration) -> Sleep {
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        Sleep { until: DEADLINES.now().saturating_add(longest), place: None }
    }

    fn reset(&mut self, longest: Duration) {
        self.until = Sleep::new(longest).until;
        if let Some((table, place)) = self.place
            && let Some(waiting) = DEADLINES.table(table).get_mut(place)
        {
            waiting.until = self.until;
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if DEADLINES.now() >= self.until {
            return Poll::Ready(());
        }
        match self.place {
            Some((table, place)) => {
                let mut waker = context.waker().clone();
                if let Some(waiting) = DEADLINES.table(table).get_mut(place) {
                    waiting.until = self.until;
                    std::mem::swap(&mut waiting.waker, &mut waker);
                }
                // The waker of before is dropped here, not under the lock.
            }
            None => {
                let table = TABLE.with(|table| *table);
                let waiting = Waiting { until: self.until, waker: context.waker().clone() };
                self.place = Some((table, DEADLINES.table(table).insert(waiting)));
            }
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((table, place)) = self.place {
            let removed = {
                let mut table = DEADLINES.table(table);
                table.try_remove(place)
            };
            drop(removed); // not under the lock
        }
    }
}

impl hyper::rt::Sleep for Sleep {}

/// The deadlines of hyper's connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer;

impl hyper::rt::Timer for Timer {
    fn sleep(&self, longest: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleep::new(longest))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(left(deadline))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(known) => known.get_mut().reset(left(deadline)),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "hyper's deadlines are instants")]
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[tokio::test]
    async fn work_in_time_has_its_result() {
        let work = async {
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(within(Duration::from_secs(60), work).await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_hangs_ends_at_its_deadline() {
        let hanging = std::future::pending::<()>();
        assert_eq!(within(Duration::from_millis(1), hanging).await, Err(Elapsed));
    }

    #[tokio::test]
    async fn a_deadline_that_was_moved_ends_at_its_new_time() {
        let mut sleep = Sleep::new(Duration::from_secs(3600));
        let polled = std::future::poll_fn(|context| {
            Poll::Ready(Pin::new(&mut sleep).poll(context).is_pending())
        });
        assert!(polled.await);
        sleep.reset(Duration::from_millis(1));
        sleep.await;
    }

    /// A connection that has had its first request keeps the deadline of that
    /// request's head, and must not be woken by it at every tick.
    #[tokio::test]
    async fn an_overdue_deadline_wakes_once() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Count>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut sleep = Sleep::new(Duration::from_secs(3600));
        assert!(Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)).is_pending());
        let (table, place) = sleep.place.expect("an entry");
        DEADLINES.table(table)[place].until = 0;
        DEADLINES.wake_overdue(1);
        DEADLINES.wake_overdue(1);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    /// A deadline that nobody waits for any more leaves nothing behind.
    #[tokio::test]
    async fn what_is_over_is_removed() {
        let mut sleep = Sleep::new(Duration::from_secs(3600));
        std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut sleep).poll(context).is_ready()))
            .await;
        let (table, place) = sleep.place.expect("an entry");
        drop(sleep);
        let is_ours = |waiting: &Waiting| waiting.until > DEADLINES.now() + 3_500_000;
        assert!(!DEADLINES.table(table).get(place).is_some_and(is_ours));
    }
}
