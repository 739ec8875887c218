//! Runs work to its end even if the requester disconnects.
//!
//! A handler is dropped when its client disconnects, and a marketplace
//! disconnects after five seconds. A hook must not be lost half-processed
//! because of that. The work runs inside the handler, without a task of its
//! own, which is enough for nearly all of it. Only what is left when the
//! waiting ends is moved to a task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::deadline::{Elapsed, within};

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfinished {
    /// The deadline passed first. The work continues.
    #[error("it did not finish in time")]
    TooSlow,
    /// The work panicked, because of a bug.
    #[error("it panicked: {0}")]
    Panicked(String),
}

/// Runs `work` and waits for its result for at most `patience`. The work runs
/// to its end even if the caller stops waiting. It is passed in a box, so that
/// the caller's future does not contain its state a second time.
pub async fn see_through<F>(work: Pin<Box<F>>, patience: Duration) -> Result<F::Output, Unfinished>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match within(patience, Surviving { work: Some(work) }).await {
        Ok(done) => done.map_err(Unfinished::Panicked),
        Err(Elapsed) => Err(Unfinished::TooSlow),
    }
}

struct Surviving<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    work: Option<Pin<Box<F>>>,
}

impl<F> Future for Surviving<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = self.work.as_mut() else { return Poll::Pending };
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        let done = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                Err(text
                    .or_else(|| panic.downcast_ref().copied())
                    .unwrap_or("no message")
                    .to_owned())
            }
        };
        self.work = None;
        Poll::Ready(done)
    }
}

impl<F> Drop for Surviving<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && let Ok(runtime) = Handle::try_current()
        {
            drop(runtime.spawn(work));
        }
    }
}

/// How long storing a hook may take before 503 is answered. It is well below
/// the sender's timeout, so that the sender gets an answer instead of a
/// timeout.
pub const KEEPING_MILLISECONDS_MAX: u64 = 2500;

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_waiting_caller_gets_the_result() {
        assert_eq!(see_through(Box::pin(async { 7 }), LONG).await, Ok(7));
    }

    #[tokio::test]
    async fn work_goes_on_when_its_caller_is_dropped() {
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let mut waiting = Box::pin(see_through(
            Box::pin(async move {
                may_go_on.await.expect("a signal");
                done.send(()).expect("the receiver exists");
            }),
            LONG,
        ));
        std::future::poll_fn(|context| {
            assert!(waiting.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(waiting);
        go_on.send(()).expect("the work is running");
        tokio::time::timeout(LONG, is_done).await.expect("in time").expect("the work is finished");
    }

    #[tokio::test]
    async fn work_goes_on_when_it_takes_too_long() {
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let work = async move {
            may_go_on.await.expect("a signal");
            done.send(()).expect("the receiver exists");
        };
        assert_eq!(see_through(Box::pin(work), Duration::ZERO).await, Err(Unfinished::TooSlow));
        go_on.send(()).expect("the work is running");
        tokio::time::timeout(LONG, is_done).await.expect("in time").expect("the work is finished");
    }

    #[tokio::test]
    async fn a_panic_in_the_work_is_reported_and_affects_nothing_else() {
        let broken = see_through(Box::pin(async { panic!("on purpose") }), LONG).await;
        assert_eq!(broken, Err::<(), _>(Unfinished::Panicked("on purpose".into())));
    }
}
