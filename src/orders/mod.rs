//! The order: a fold of its events.
//!
//! An order's document holds every hook about it, whenever it came, and what the order *is* follows from
//! them by [`fold`](fold::fold), in the hooks' own order in time:
//!
//! ```text
//!            changed, re-sent         paid        received       delivered
//!   created ───────────────▶ open ──────────▶ ─────────────▶ ──────────────▶
//!                             └── cancelled ─▶ (unless it is delivered: delivery wins)
//! ```
//! Paid, shipped, cancelled and delivered are facets rather than steps: hooks get lost and overtake one
//! another, so each stands by itself, with its time and the hook that set it. Any of them closes the order
//! to changes dated later. Because the fold looks at a set and not at a sequence of arrivals, the same hooks
//! give the same order in whatever order they come. (docs/adr/0003-an-order-is-a-fold.md)
//!
//! A new hook is put among the events and the fold is made again; what differs between before and after is
//! what happens: goods leave the balance, pickers are told. [`decide`](decide::decide) works that out and
//! returns it as a value. Nothing here does I/O or knows the time.

mod content;
mod event;
mod fold;

mod decide;
mod difference;
mod fact;
mod stock;

mod note;
mod number;
mod order;
mod shop_key;
mod told;

pub use content::{Content, Patch, Position, Sums, Unread, Window};
pub use decide::{
    Announcement, Decision, Incoming, RepeatReading, Standing, decide, flag_repeat, reading_of_repeat,
};
pub use difference::{Difference, PositionChange};
pub use event::{AHEAD_MAX, Contact, Event, EventKind, Report};
pub use fact::Fact;
pub use fold::{Facet, Late, State, View};
pub use note::{JsonType, OrderNote, Uncharged};
pub use number::{NotANumber, Number, is_number_otherwise};
pub use order::Order;
pub use shop_key::{KEY_BYTES, ShopKey};
pub use stock::{Movement, MovementLine, Shelf};
pub use told::{Tiding, Told};
