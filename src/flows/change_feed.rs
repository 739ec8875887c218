//! Publishes changes to tasks that wait within this process.

use tokio::sync::broadcast;

use crate::kernel::Partition;

/// How many changes a listener may fall behind before it misses some. A
/// listener that does reads the store again.
const NEWS_KEPT: usize = 256;

/// Publishes which partitions have changed. It is only a hint, and only about
/// this process: a waiting task must also read the store from time to time.
#[derive(Debug, Clone)]
pub struct ChangeFeed(broadcast::Sender<Partition>);

impl Default for ChangeFeed {
    fn default() -> ChangeFeed {
        ChangeFeed(broadcast::Sender::new(NEWS_KEPT))
    }
}

impl ChangeFeed {
    /// Publishes that something in the partition has changed.
    pub fn publish(&self, about: Partition) {
        // An error only means that nobody is waiting.
        let _ = self.0.send(about);
    }

    /// Subscribes to changes from now on.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

/// A subscription to changes.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Partition>);

impl Listener {
    /// Waits until something in the partition may have changed.
    pub async fn watches(&mut self, about: Partition) {
        loop {
            match self.0.recv().await {
                Ok(changed) if changed != about => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
