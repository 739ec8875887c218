//! From an order's events to what the order is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::event::{Event, EventKind};
use super::note::OrderNote;
use crate::kernel::{HookId, Timestamp};

/// The one word for where an order stands: the last of these that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being picked.
    Open,
    /// Paid for.
    Paid,
    /// The goods have left the shop.
    Shipped,
    /// Called off.
    Cancelled,
    /// The customer has the goods.
    Delivered,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] =
        [State::Open, State::Paid, State::Shipped, State::Cancelled, State::Delivered];

    /// The word itself.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Paid => "paid",
            State::Shipped => "shipped",
            State::Cancelled => "cancelled",
            State::Delivered => "delivered",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that holds of an order, since when, and by which hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facet {
    /// Since when, by the hook's own time where it bears one.
    pub at: Timestamp,
    /// The hook that set it.
    pub hook: HookId,
}

/// Why an event will never count: it came too late, or the order is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Late {
    /// A change dated after the order was closed.
    Closed {
        /// What closed it.
        by: EventKind,
        /// When.
        at: Timestamp,
    },
    /// A cancellation of an order that is delivered.
    Delivered {
        /// When it was delivered.
        at: Timestamp,
    },
    /// The order has as many hooks, or lines in all of them, as it may have.
    Full {
        /// The most hooks.
        events_max: usize,
        /// The most lines of all of them.
        lines_max: usize,
    },
}

/// What one event did in the fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It changed the order.
    Changed,
    /// It said what was already so.
    Nothing,
    /// It came too late, in the hooks' own time.
    Late(Late),
}

/// What an order is, as its events have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its content now.
    pub content: Content,
    /// 1 for the content it was created with, one more for each later composition, price or delivery time.
    pub revision: u32,
    /// When it was placed.
    pub created_at: Timestamp,
    /// Paid.
    pub paid: Option<Facet>,
    /// Shipped.
    pub shipped: Option<Facet>,
    /// Delivered.
    pub delivered: Option<Facet>,
    /// Cancelled.
    pub cancelled: Option<Facet>,
    /// Why it was cancelled.
    pub cancel_reason: Option<String>,
    /// What a person should look at.
    pub attention: Vec<OrderNote>,
    /// What each event did, in canonical order.
    pub effects: Vec<Effect>,
}

impl View {
    /// The one word for it.
    #[must_use]
    pub fn state(&self) -> State {
        let facets = [
            (State::Delivered, self.delivered),
            (State::Cancelled, self.cancelled),
            (State::Shipped, self.shipped),
            (State::Paid, self.paid),
        ];
        facets.into_iter().find_map(|(state, facet)| facet.map(|_| state)).unwrap_or(State::Open)
    }

    /// Whether it takes no more changes.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state() != State::Open
    }
}

/// The most things that a person is asked to look at in one order.
const ATTENTION_MAX: usize = 100;

/// Folds events that are in canonical order, the base first.
pub fn fold(events: &[Event]) -> Option<View> {
    let (base, later) = events.split_first().filter(|(base, _)| base.kind == EventKind::Created)?;
    let created_at = base.shown_at();
    let mut content = Content::default();
    content.apply(&base.patch);
    let mut view = View {
        content,
        revision: 1,
        created_at,
        paid: None,
        shipped: None,
        delivered: None,
        cancelled: None,
        cancel_reason: None,
        attention: base.notes.clone(),
        effects: vec![Effect::Changed],
    };
    // Delivered wins over cancelled in any order, so it is looked for before the walk.
    let delivery = later.iter().find(|event| event.kind == EventKind::Delivered);
    let mut closed: Option<(EventKind, Timestamp)> = None;
    for event in later {
        let facet = Facet { at: event.shown_at(), hook: event.hook };
        let effect = match event.kind {
            EventKind::Created | EventKind::Changed => match closed {
                Some((by, at)) => Effect::Late(Late::Closed { by, at }),
                None => view.change(event),
            },
            EventKind::Paid => view.pay(event, facet),
            EventKind::Received => view.ship(facet),
            EventKind::Delivered => view.deliver(facet),
            EventKind::Cancelled => match delivery {
                Some(delivery) => {
                    let at = delivery.shown_at();
                    view.note(&OrderNote::CancelledButDelivered { cancelled_at: facet.at });
                    Effect::Late(Late::Delivered { at })
                }
                None => view.cancel(event, facet),
            },
        };
        let closes = match event.kind {
            EventKind::Created | EventKind::Changed => false,
            EventKind::Paid | EventKind::Received | EventKind::Delivered => true,
            EventKind::Cancelled => delivery.is_none(),
        };
        if closes && closed.is_none() {
            closed = Some((event.kind, facet.at));
        }
        event.notes.iter().for_each(|note| view.note(note));
        view.effects.push(effect);
    }
    Some(view)
}

impl View {
    fn note(&mut self, note: &OrderNote) {
        if self.attention.len() < ATTENTION_MAX && !self.attention.contains(note) {
            self.attention.push(note.clone());
        }
    }

    fn change(&mut self, event: &Event) -> Effect {
        if let Some(made_revision) = event.patch.overtaken {
            self.revision += u32::from(made_revision);
            return if made_revision { Effect::Changed } else { Effect::Nothing };
        }
        let before = self.content.clone();
        self.content.apply(&event.patch);
        if self.content == before {
            return Effect::Nothing;
        }
        let only_details = Content { details: before.details, ..self.content.clone() } == before;
        if !only_details {
            self.revision += 1;
        }
        Effect::Changed
    }

    fn pay(&mut self, event: &Event, facet: Facet) -> Effect {
        if self.paid.is_some() {
            return Effect::Nothing;
        }
        self.paid = Some(facet);
        if self.cancelled.is_some() {
            self.note(&OrderNote::PaidAfterCancellation);
        }
        let before = self.content.clone();
        if !self.content.correct_prices(&event.patch) {
            self.note(&OrderNote::PaidOtherComposition);
        }
        if self.content != before {
            self.revision += 1;
        }
        Effect::Changed
    }

    fn ship(&mut self, facet: Facet) -> Effect {
        if self.shipped.is_some() {
            return Effect::Nothing;
        }
        self.shipped = Some(facet);
        if self.cancelled.is_some() {
            self.note(&OrderNote::ShippedAfterCancellation);
        }
        Effect::Changed
    }

    fn deliver(&mut self, facet: Facet) -> Effect {
        if self.delivered.is_some() {
            return Effect::Nothing;
        }
        self.delivered = Some(facet);
        self.shipped = self.shipped.or(Some(facet));
        Effect::Changed
    }

    fn cancel(&mut self, event: &Event, facet: Facet) -> Effect {
        if self.cancelled.is_some() {
            return Effect::Nothing;
        }
        self.cancelled = Some(facet);
        self.cancel_reason.clone_from(&event.reason);
        if self.shipped.is_some() {
            self.note(&OrderNote::CancelledAfterShipment);
        }
        Effect::Changed
    }
}
