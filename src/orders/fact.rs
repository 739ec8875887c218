//! What a hook changed, for the journal.

use serde::{Deserialize, Serialize};

use super::event::EventKind;
use super::fold::State;
use super::note::OrderNote;
use super::stock::MovementLine;
use crate::kernel::{LocalTime, Money, Quantity};
use crate::outbox::MessageId;

/// One effect of a hook. Facts are in the past tense, because they are durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The order was created.
    Created {
        /// The number of its lines.
        positions: usize,
        total: Option<Money>,
    },
    Revised {
        revision: u32,
    },
    /// The quantity of an article changed.
    PositionChanged {
        sku: String,
        from: Quantity,
        /// The new quantity; `None` if it could not be read.
        to: Option<Quantity>,
        /// The article that replaces it, if that is new.
        replaced_by: Option<String>,
    },
    /// The wanted delivery time changed.
    WindowChanged {
        from: Option<LocalTime>,
        to: Option<LocalTime>,
    },
    /// Another store picks the order.
    StoreChanged {
        store_id: String,
    },
    TotalChanged {
        from: Option<Money>,
        to: Option<Money>,
    },
    /// The total with discounts changed.
    DiscountTotalChanged {
        from: Option<Money>,
        to: Option<Money>,
    },
    /// The customer, the address, the comment or an unknown field changed; the
    /// raw hook has the details.
    DetailsChanged,
    StateChanged {
        from: State,
        to: State,
    },
    /// Goods left a store's balance, or were put back.
    StockMoved {
        lines: Vec<MovementLine>,
    },
    /// A parked hook was applied.
    Unparked {
        kind: EventKind,
    },
    /// Pickers will be notified.
    Announced {
        message: MessageId,
    },
    /// Pickers cannot be notified, because no chat is configured for the store.
    NobodyToTell {
        store_id: String,
    },
    /// A person should look at something.
    Attention {
        note: OrderNote,
    },
}
