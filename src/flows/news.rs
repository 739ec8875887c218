//! Which orders have just changed, for whoever waits within this process.

use tokio::sync::broadcast;

use crate::kernel::Number;

/// News that a waiter may fall behind by before it misses some; whoever does looks at the store again.
const NEWS_KEPT: usize = 256;

/// Says which orders have changed. Only a hint, and only of this process: whoever waits also looks by itself.
#[derive(Debug, Clone)]
pub struct News(broadcast::Sender<Number>);

impl Default for News {
    fn default() -> News {
        News(broadcast::Sender::new(NEWS_KEPT))
    }
}

impl News {
    /// Tells that an order has changed.
    pub fn tell(&self, number: Number) {
        // Nobody may be waiting.
        let _ = self.0.send(number);
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

/// One who waits.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Number>);

impl Listener {
    /// Returns when `number` may have changed.
    pub async fn hears_of(&mut self, number: Number) {
        loop {
            match self.0.recv().await {
                Ok(changed) if changed != number => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
