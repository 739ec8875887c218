//! The document of how an order comes to its client.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{Document, Kind, ListName, Money, Timestamp, Unreadable};
use tillgate_store::{Batch, CounterChange, Floor};

use super::slots::Slot;
use crate::order_id::OrderId;
use crate::reservation::{Reservation, State};
use crate::seal::{Place, Sealed};
use crate::username::ClientNumber;

/// How an order comes to its client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The client fetches it.
    Point { id: u32, name: String, address: String, date: Date },
    /// A courier brings it.
    Courier {
        company: String,
        cost: Money,
        date: Date,
        /// Absent if the company keeps no times.
        slot: Option<Slot>,
        /// Sealed by the client's key.
        address: Sealed,
        client: ClientNumber,
    },
}

impl Way {
    #[must_use]
    pub const fn slot(&self) -> Option<&Slot> {
        match self {
            Way::Point { .. } | Way::Courier { slot: None, .. } => None,
            Way::Courier { slot: Some(slot), .. } => Some(slot),
        }
    }
}

/// How an order comes to its client, and whether that is agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    pub order: OrderId,
    pub state: State,
    /// The version of the order.
    pub version: u64,
    /// Nothing in a mark that the order was reversed.
    pub way: Option<Way>,
    /// When it was booked, and not given back since.
    pub taken_at: Timestamp,
}

impl Booking {
    /// Where the sealed address of an order belongs.
    #[must_use]
    pub const fn place_of(order: OrderId) -> Place {
        Place { kind: Booking::KIND, partition: order.partition(), field: "address" }
    }

    /// The slot that it takes room of.
    #[must_use]
    pub fn taken_slot(&self) -> Option<&Slot> {
        self.way.as_ref().filter(|_| self.state.is_live()).and_then(Way::slot)
    }
}

impl Reservation for Booking {
    const PLURAL: &'static str = "bookings";

    fn order(&self) -> OrderId {
        self.order
    }

    fn state(&self) -> State {
        self.state
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn taken_at(&self) -> Timestamp {
        self.taken_at
    }

    fn in_state(&self, state: State) -> Booking {
        Booking { state, ..self.clone() }
    }

    fn tombstone(order: OrderId, now: Timestamp) -> Booking {
        Booking { order, state: State::Reversed, version: 0, way: None, taken_at: now }
    }

    fn stage(batch: &mut Batch, from: Option<&Booking>, to: &Booking) {
        let (before, after) = (from.and_then(Booking::taken_slot), to.taken_slot());
        if before.map(Slot::booked) == after.map(Slot::booked) {
            return;
        }
        if let Some(slot) = before {
            batch.bump(slot.booked(), CounterChange::Add(-1));
        }
        if let Some(slot) = after {
            batch.bump(slot.booked(), CounterChange::Add(1));
            let least = -i64::from(slot.capacity);
            batch.floor(Floor { plus: Vec::new(), minus: vec![slot.booked()], least });
        }
    }
}

impl Document for Booking {
    const KIND: Kind = Kind::new(32, "bookings");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        self.lists_of()
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Booking, Unreadable> {
        document::decode(schema, bytes)
    }
}
