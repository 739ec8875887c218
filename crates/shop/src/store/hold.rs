//! The document of what is held for an order.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{Document, Kind, ListName, Timestamp, Unreadable};
use tillgate_store::Batch;

use super::goods;
use crate::order_id::OrderId;
use crate::product_id::ProductId;
use crate::reservation::{Reservation, State};

/// Goods of one product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldLine {
    pub product: ProductId,
    pub article: String,
    pub name: String,
    pub pieces: u64,
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

impl Reservation for Hold {
    const PLURAL: &'static str = "holds";

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

    fn in_state(&self, state: State) -> Hold {
        let lines = if state.is_live() { self.lines.clone() } else { Vec::new() };
        Hold { state, lines, ..self.clone() }
    }

    fn tombstone(order: OrderId, now: Timestamp) -> Hold {
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

    fn stage(batch: &mut Batch, from: Option<&Hold>, to: &Hold) {
        goods::stage(batch, from, to);
    }
}

impl Document for Hold {
    const KIND: Kind = Kind::new(30, "holds");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        self.lists_of()
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Hold, Unreadable> {
        document::decode(schema, bytes)
    }
}
