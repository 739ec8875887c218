//! The document of what is held for an order.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Kind, ListName, Timestamp, Unreadable};

use crate::order_id::OrderId;
use crate::product_id::ProductId;

/// Goods of one product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldLine {
    pub product: ProductId,
    pub article: String,
    pub name: String,
    pub pieces: u64,
}

/// What has become of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Held for a client who is about to pay.
    Preliminary { until: Timestamp },
    /// Sold: it is to be picked.
    Confirmed,
    /// Given back by the client, or because the time had run out. It can be
    /// taken again.
    Released,
    /// Given back for good. What comes later takes nothing any more.
    Reversed,
}

/// What is held for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub order: OrderId,
    pub state: State,
    /// The version of the order.
    pub version: u64,
    /// Where the goods are.
    pub outlet: u32,
    /// The name of that outlet's stock.
    pub stock: String,
    /// What is held; nothing after it was given back.
    pub lines: Vec<HeldLine>,
    /// When it was taken, and not given back since.
    pub taken_at: Timestamp,
}

impl Hold {
    /// A mark that the order is reversed: nothing was held for it.
    #[must_use]
    pub const fn tombstone(order: OrderId, now: Timestamp) -> Hold {
        Hold {
            order,
            state: State::Reversed,
            version: 0,
            outlet: 0,
            stock: String::new(),
            lines: Vec::new(),
            taken_at: now,
        }
    }

    #[must_use]
    pub const fn key_of(order: OrderId) -> DocKey {
        DocKey { partition: order.partition(), kind: Hold::KIND, id: 0 }
    }

    /// The list of holds that run out, under the time when they do.
    #[must_use]
    pub fn expiring() -> ListName {
        ListName::of(&["holds expiring"])
    }

    /// The list of all holds with goods.
    #[must_use]
    pub fn live() -> ListName {
        ListName::of(&["holds live"])
    }

    /// The list of marks that can be forgotten.
    #[must_use]
    pub fn over() -> ListName {
        ListName::of(&["holds over"])
    }

    /// Under which time it is listed.
    #[must_use]
    pub const fn listed_at(&self, now: Timestamp) -> Timestamp {
        match self.state {
            State::Preliminary { until } => until,
            State::Confirmed | State::Released | State::Reversed => now,
        }
    }
}

impl Document for Hold {
    const KIND: Kind = Kind::new(30, "holds");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        match self.state {
            State::Preliminary { .. } => vec![Hold::expiring(), Hold::live()],
            State::Confirmed => vec![Hold::live()],
            State::Released | State::Reversed => vec![Hold::over()],
        }
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Hold, Unreadable> {
        document::decode(schema, bytes)
    }
}
