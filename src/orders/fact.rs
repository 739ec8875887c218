//! What a hook changed, for the journal.

use serde::{Deserialize, Serialize};

use super::event::EventKind;
use super::fold::State;
use super::note::OrderNote;
use super::stock::MovementLine;
use crate::kernel::{LocalTime, Money, Quantity};
use crate::outbox::MessageId;

/// One thing that came of a hook. Past tense: it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The order came to be.
    Created {
        /// Its lines.
        positions: usize,
        /// Its sum.
        total: Option<Money>,
    },
    /// There is a new revision of its content.
    Revised {
        /// Which.
        revision: u32,
    },
    /// The amount of an article changed.
    PositionChanged {
        /// The article.
        sku: String,
        /// From.
        from: Quantity,
        /// To; none when the new number could not be read.
        to: Option<Quantity>,
        /// What stands in for it, if that is new.
        replaced_by: Option<String>,
    },
    /// It is wanted at another time.
    WindowChanged {
        /// Not before.
        from: Option<LocalTime>,
        /// Not after.
        to: Option<LocalTime>,
    },
    /// Another shop is to pick it.
    StoreChanged {
        /// Which.
        store_id: String,
    },
    /// The sum changed.
    TotalChanged {
        /// From.
        from: Option<Money>,
        /// To.
        to: Option<Money>,
    },
    /// The sum with discounts changed.
    DiscountTotalChanged {
        /// From.
        from: Option<Money>,
        /// To.
        to: Option<Money>,
    },
    /// Customer, address, comment or something unknown changed; the raw hook has it.
    DetailsChanged,
    /// Its state changed.
    StateChanged {
        /// From.
        from: State,
        /// To.
        to: State,
    },
    /// Goods moved.
    StockMoved {
        /// Which.
        lines: Vec<MovementLine>,
    },
    /// A hook that had been parked was taken in.
    Unparked {
        /// Of which kind.
        kind: EventKind,
    },
    /// Pickers will be told.
    Announced {
        /// By which message.
        message: MessageId,
    },
    /// Pickers would have been told, but no chat is configured for the shop.
    NobodyToTell {
        /// Which shop.
        store_id: String,
    },
    /// A person should look.
    Attention {
        /// At what.
        note: OrderNote,
    },
}
