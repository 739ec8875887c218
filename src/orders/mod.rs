//! The order: a fold of its events.
//!
//! An order's document holds every hook about it, whenever it arrived. The
//! current state of the order follows from the hooks by [`fold`](fold::fold),
//! in the order of the hooks' own times:
//!
//! ```text
//!            changed, re-sent         paid        received       delivered
//!   created ───────────────▶ open ──────────▶ ─────────────▶ ──────────────▶
//!                             └── cancelled ─▶ (unless it is delivered)
//! ```
//!
//! Paid, shipped, cancelled and delivered are facets rather than steps. Hooks
//! get lost and overtake one another, so each facet is independent and has its
//! own time and the hook that set it. Any of them closes the order to changes
//! dated later. Delivery wins over cancellation. Because the fold depends on
//! the set of hooks and not on the sequence of arrivals, the same hooks give
//! the same order, in whatever sequence they arrive.
//! (docs/adr/0003-an-order-is-a-fold.md)
//!
//! A new hook is added to the events, and the fold runs again. The difference
//! between before and after decides what happens: goods leave the balance,
//! pickers are notified. [`decide`](decide::decide) works that out and returns
//! it as a value. Nothing in this module does I/O or reads the clock.

mod content;
mod event;
mod fold;

mod decide;
mod difference;
mod fact;
mod stock;

mod fulfilment;
pub mod listing;
mod note;
mod number;
mod order;
mod positions;
mod shop_key;

pub use content::{Content, Patch, Sums, Unread, Window};
pub use decide::{
    Announcement, Decision, HookEffect, Incoming, RepeatReading, decide, flag_repeat,
    reading_of_repeat,
};
pub use difference::{Difference, PositionChange};
pub use event::{AHEAD_MAX, Contact, Event, EventKind, Report};
pub use fact::Fact;
pub use fold::{Facet, Late, State, View};
pub use fulfilment::{FulfilmentKind, FulfilmentUpdate, UpdateOutcome};
pub use note::{JsonType, NotCharged, OrderNote};
pub use number::{NotANumber, Number, is_number_otherwise};
pub use order::Order;
pub use positions::{Position, Positions};
pub use shop_key::{KEY_BYTES, ShopKey};
pub use stock::{Movement, MovementLine, StockLevels};
