//! What a service holds for an order until it is paid: goods, a time of a
//! courier. All such services keep one table of states, and so does their
//! agreement on the order.
//!
//! - `document` is the table of states, and what a document of it has;
//! - [`take`] takes for a client who is about to pay, and releases;
//! - [`participant`] confirms and reverses for the agreement on the order;
//! - [`canceled`] gives back what was held for a cancelled order;
//! - [`expiry`] ends what has run out, and [`extend`] lengthens.

pub mod canceled;
mod document;
pub mod expiry;
pub mod extend;
pub mod participant;
pub mod take;

use std::marker::PhantomData;
use std::time::Duration;

use tillgate_kernel::{Clock, Timestamp};
use tillgate_store::{Batch, Store, Unavailable, Versioned};

pub use self::document::{Reservation, State};
use crate::order_id::OrderId;

/// How long a client may keep something without buying it, however often the
/// reservation is renewed.
pub const HELD_AT_MOST: Duration = Duration::from_secs(2 * 3600);

/// The reservations of a service.
#[derive(Debug)]
pub struct Reservations<R> {
    store: Store,
    clock: Clock,
    /// How long something is held for a client who pays.
    held_for: Duration,
    of: PhantomData<fn() -> R>,
}

impl<R: Reservation> Reservations<R> {
    #[must_use]
    pub const fn new(store: Store, clock: Clock, held_for: Duration) -> Reservations<R> {
        Reservations { store, clock, held_for, of: PhantomData }
    }

    /// What is or was held for an order.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn of(&self, order: OrderId) -> Result<Option<R>, Unavailable> {
        let stored = self.store.read::<R>(R::key_of(order)).await?;
        Ok(stored.map(Versioned::into_document))
    }

    /// A batch that replaces a stored one.
    pub fn replaced(&self, stored: Versioned<R>, next: R) -> Batch {
        Self::written(Some(stored), next, self.clock.now())
    }

    /// A batch that replaces what is stored.
    fn written(stored: Option<Versioned<R>>, next: R, now: Timestamp) -> Batch {
        let mut batch = Batch::new();
        R::stage(&mut batch, stored.as_deref(), &next);
        let (key, listed_at) = (R::key_of(next.order()), next.state().listed_at(now));
        let mut written = match stored {
            Some(stored) => stored.replaced(next),
            None => Versioned::new(next, listed_at),
        };
        written.list_at(listed_at);
        written.stage_at(key, &mut batch);
        batch
    }
}
