//! What has just changed, for whoever waits within this process.

use tokio::sync::broadcast;

use crate::kernel::Partition;

/// News that a waiter may fall behind by before it misses some; whoever does looks at the store again.
const NEWS_KEPT: usize = 256;

/// Says what has changed. Only a hint, and only of this process: whoever waits also looks by itself.
#[derive(Debug, Clone)]
pub struct News(broadcast::Sender<Partition>);

impl Default for News {
    fn default() -> News {
        News(broadcast::Sender::new(NEWS_KEPT))
    }
}

impl News {
    /// Tells that something about it has changed.
    pub fn tell(&self, about: Partition) {
        // Nobody may be waiting.
        let _ = self.0.send(about);
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

/// One who waits.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Partition>);

impl Listener {
    /// Returns when something about it may have changed.
    pub async fn hears_of(&mut self, about: Partition) {
        loop {
            match self.0.recv().await {
                Ok(changed) if changed != about => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
