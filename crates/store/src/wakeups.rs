//! Wakes the workers of the outbox.

use std::sync::Arc;

use tillgate_kernel::outbox::{Lane, Lanes};
use tokio::sync::watch;

/// Wakes the workers of each lane when they may find something to send.
#[derive(Debug, Clone)]
pub struct Wakeups(Arc<[watch::Sender<u64>; Lane::NUMBERS]>);

impl Wakeups {
    pub fn new() -> Wakeups {
        Wakeups(Arc::new(std::array::from_fn(|_| watch::Sender::new(0))))
    }

    pub fn wake(&self, lanes: Lanes) {
        for number in lanes.numbers() {
            self.0[number].send_modify(|rung| *rung += 1);
        }
    }

    /// Changes whenever the workers of a lane are woken.
    pub fn of(&self, lane: Lane) -> watch::Receiver<u64> {
        self.0[lane.number()].subscribe()
    }
}
