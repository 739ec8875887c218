//! What the bookings are checked by on a live shop: all of them, and what the
//! counters say is booked. And what the operator sets.

use serde::{Deserialize, Serialize};
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CounterKey, Cursor, Scan, Unavailable, Versioned};

use super::Delivery;
use super::booking::Booking;
use super::part::Part;
use super::plan::Plan;
use super::slots::{BOOKED, Slot};
use crate::Refusal;
use crate::reservation::Reservation;

/// How many bookings or times one page has.
pub const PAGE: usize = 500;

/// A booking that holds something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Audited {
    pub order: String,
    /// The name of the time that it takes room of.
    pub slot: Option<String>,
}

/// A page of the bookings that hold something.
#[derive(Debug, Serialize, Deserialize)]
pub struct Bookings {
    pub items: Vec<Audited>,
    pub cursor: Option<String>,
}

/// A time of couriers, with how many orders are booked for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Room {
    pub slot: String,
    pub booked: i64,
}

/// A page of the times for which something is or was booked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rooms {
    pub items: Vec<Room>,
    pub is_last: bool,
}

impl Delivery {
    /// What the operator has set.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn whole_plan(&self) -> Result<Plan, Refusal> {
        Ok(self.plan().await?)
    }

    /// Sets a part of the plan. What is booked stays.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn set(&self, part: Part) -> Result<(), Refusal> {
        let part = &part;
        let work = |_| async move {
            let stored = self.store.read::<Plan>(Plan::key()).await?;
            let known = stored.as_deref().cloned().unwrap_or_default();
            let plan = part.clone().set_in(known);
            let written = match stored {
                Some(stored) => stored.replaced(plan),
                None => Versioned::new(plan, self.clock.now()),
            };
            let mut batch = Batch::new();
            written.stage_at(Plan::key(), &mut batch);
            Ok::<_, Unavailable>(Run::Commit(batch, ()))
        };
        run(&self.store, work).await.map(drop).map_err(Refusal::of_commit)
    }

    /// A page of the bookings that hold something.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn live_bookings(&self, after: Option<Cursor>) -> Result<Bookings, Refusal> {
        let lists = vec![Booking::live()];
        let scan = Scan::Lists { lists, newest_first: false, after, limit: PAGE };
        let page = self.store.scan(&scan).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for (_, stored) in page.items {
            let booking: Booking = stored.document().map_err(Unavailable::from)?;
            let slot = booking.taken_slot().map(Slot::name);
            items.push(Audited { order: booking.order.to_string(), slot });
        }
        Ok(Bookings { items, cursor: page.next.map(|next| next.to_string()) })
    }

    /// A page of the times after the one with this name.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn rooms(&self, after: Option<&str>) -> Result<Rooms, Refusal> {
        let group = CounterKey::internal(BOOKED, "").group;
        let counters = self.store.counters(&group, after, PAGE).await?;
        let is_last = counters.len() < PAGE;
        let keys: Vec<_> = counters.iter().map(|(key, _)| key.clone()).collect();
        let booked = self.store.balances(&keys).await?;
        let room = |(key, booked): (CounterKey, i64)| Room { slot: key.name, booked };
        Ok(Rooms { items: keys.into_iter().zip(booked).map(room).collect(), is_last })
    }
}
