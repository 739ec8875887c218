//! Work that goes on when the one who asked for it goes away.
//!
//! A handler is dropped when its client hangs up, and a marketplace hangs up after five seconds: half a hook must not
//! be lost with it. The work runs where it was asked for, without a task of its own, which is what nearly all of it
//! needs; only what is left of it when the waiting ends is given to a task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfinished {
    /// The waiting ended first. The work goes on.
    #[error("it takes too long")]
    TooSlow,
    /// The work broke off by a mistake of ours.
    #[error("it broke off: {0}")]
    Panicked(String),
}

/// Does `work` for one who waits at most `patience`, and sees it through whoever waits. The work comes boxed, so that
/// its caller does not hold a copy of its state.
pub async fn see_through<F>(work: Pin<Box<F>>, patience: Duration) -> Result<F::Output, Unfinished>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match tokio::time::timeout(patience, Surviving { work: Some(work) }).await {
        Ok(done) => done.map_err(Unfinished::Panicked),
        Err(_) => Err(Unfinished::TooSlow),
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
                Err(text.or_else(|| panic.downcast_ref().copied()).unwrap_or("without a word").to_owned())
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

/// How long keeping a hook may take before 503 is answered: well under the sender's patience, so that it
/// hears from us and not from a time-out.
pub const KEEPING_MILLISECONDS_MAX: u64 = 2500;

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn work_is_done_for_one_who_waits() {
        assert_eq!(see_through(Box::pin(async { 7 }), LONG).await, Ok(7));
    }

    #[tokio::test]
    async fn work_goes_on_when_its_caller_goes_away() {
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let mut waiting = Box::pin(see_through(
            Box::pin(async move {
                may_go_on.await.expect("a word");
                done.send(()).expect("somebody listens");
            }),
            LONG,
        ));
        std::future::poll_fn(|context| {
            assert!(waiting.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(waiting);
        go_on.send(()).expect("the work is there");
        tokio::time::timeout(LONG, is_done).await.expect("in time").expect("the work is finished");
    }

    #[tokio::test]
    async fn work_goes_on_when_it_takes_too_long() {
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let work = async move {
            may_go_on.await.expect("a word");
            done.send(()).expect("somebody listens");
        };
        assert_eq!(see_through(Box::pin(work), Duration::ZERO).await, Err(Unfinished::TooSlow));
        go_on.send(()).expect("the work is there");
        tokio::time::timeout(LONG, is_done).await.expect("in time").expect("the work is finished");
    }

    #[tokio::test]
    async fn a_mistake_in_the_work_is_told_and_ends_nothing_else() {
        let broken = see_through(Box::pin(async { panic!("on purpose") }), LONG).await;
        assert_eq!(broken, Err::<(), _>(Unfinished::Panicked("on purpose".into())));
    }
}
