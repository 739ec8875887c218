//! The workers of this process that send what is in the outbox. Commits wake
//! them, and hand new messages to those that take them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tillgate_kernel::Stopwatch;
use tillgate_kernel::outbox::{Claimed, Lane, Lanes, Message, Ordering, Ticket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::batch::{Batch, Lease};

/// The workers of each lane.
#[derive(Debug, Clone)]
pub struct Workers(Arc<[OfLane; Lane::NUMBERS]>);

#[derive(Debug)]
struct OfLane {
    wakeups: watch::Sender<u64>,
    intake: Mutex<Option<Intake>>,
}

/// Where new messages of a lane go.
#[derive(Debug, Clone)]
struct Intake {
    lease: Duration,
    /// The messages that the worker can still take.
    slots: Arc<Semaphore>,
    sender: mpsc::UnboundedSender<Handover>,
}

/// A new message, for the worker that has reserved a slot for it.
#[derive(Debug)]
pub struct Handover {
    pub claimed: Claimed,
    pub slot: OwnedSemaphorePermit,
    /// Started before the lease.
    pub since: Stopwatch,
}

/// The new messages of a lane, until it is dropped.
#[derive(Debug)]
pub struct NewMessages {
    workers: Workers,
    lane: Lane,
    receiver: mpsc::UnboundedReceiver<Handover>,
    is_ended: bool,
}

/// The slots that are reserved for the new messages of a batch.
#[derive(Debug, Default)]
pub struct Reservations(Vec<Reservation>);

#[derive(Debug)]
struct Reservation {
    ticket: Ticket,
    slot: OwnedSemaphorePermit,
    since: Stopwatch,
    sender: mpsc::UnboundedSender<Handover>,
}

impl Workers {
    pub fn new() -> Workers {
        let of_lane = || OfLane { wakeups: watch::Sender::new(0), intake: Mutex::new(None) };
        Workers(Arc::new(std::array::from_fn(|_| of_lane())))
    }

    pub fn wake(&self, lanes: Lanes) {
        for number in lanes.numbers() {
            self.0[number].wakeups.send_modify(|rung| *rung += 1);
        }
    }

    /// Changes whenever the workers of a lane are woken.
    pub fn wakeups(&self, lane: Lane) -> watch::Receiver<u64> {
        self.0[lane.number()].wakeups.subscribe()
    }

    /// From now on, commits hand new messages of a lane to the caller, under
    /// leases of this length, as long as one of `slots` is free. `None` if
    /// another worker takes them already.
    ///
    /// # Panics
    /// If the lane has an order: a new message may have to wait for an earlier
    /// one.
    pub fn take_new(
        &self,
        lane: Lane,
        lease: Duration,
        slots: Arc<Semaphore>,
    ) -> Option<NewMessages> {
        assert_eq!(lane.ordering(), Ordering::None, "new messages of {lane} may have to wait");
        let mut intake = self.intake(lane);
        if intake.is_some() {
            return None;
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        *intake = Some(Intake { lease, slots, sender });
        Some(NewMessages { workers: self.clone(), lane, receiver, is_ended: false })
    }

    fn intake(&self, lane: Lane) -> std::sync::MutexGuard<'_, Option<Intake>> {
        self.0[lane.number()].intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves free slots for the new messages of a batch, and leases those
    /// messages in it.
    pub fn reserve(&self, batch: &mut Batch) -> Reservations {
        let mut reserved = Vec::new();
        for message in &batch.messages {
            if let Some((lease, reservation)) = self.reserve_for(message) {
                batch.leases.push(lease);
                reserved.push(reservation);
            }
        }
        Reservations(reserved)
    }

    fn reserve_for(&self, message: &Message) -> Option<(Lease, Reservation)> {
        if !message.wait.is_zero() {
            return None;
        }
        let Intake { lease, slots, sender } = self.intake(message.lane).clone()?;
        let slot = slots.try_acquire_owned().ok()?;
        let (ticket, since) = (Ticket::new(message.id), Stopwatch::start());
        Some((Lease { ticket, lasts: lease }, Reservation { ticket, slot, since, sender }))
    }
}

impl Reservations {
    /// Hands over the messages that were committed under their leases.
    pub fn hand_over(self, mut leased: Vec<Claimed>) {
        for Reservation { ticket, slot, since, sender } in self.0 {
            let place = leased.iter().position(|claimed| claimed.ticket == ticket);
            let Some(place) = place else { continue };
            let claimed = leased.swap_remove(place);
            // A worker that has gone leaves the message to its lease.
            let _ = sender.send(Handover { claimed, slot, since });
        }
    }
}

impl NewMessages {
    /// The next new message. `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Handover> {
        self.receiver.recv().await
    }

    /// Takes no further reservations. Messages that have one still come.
    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.is_ended, true) {
            *self.workers.intake(self.lane) = None;
        }
    }
}

impl Drop for NewMessages {
    fn drop(&mut self) {
        self.end();
    }
}
