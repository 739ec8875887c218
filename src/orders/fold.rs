//! Folds an order's events into the order's current view.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::event::{Event, EventKind};
use super::note::OrderNote;
use crate::kernel::{HookId, Timestamp};

/// The state of an order: of the states that apply, the last in this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being picked.
    Open,
    Paid,
    /// The goods have left the store.
    Shipped,
    Cancelled,
    /// The customer has the goods.
    Delivered,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] =
        [State::Open, State::Paid, State::Shipped, State::Cancelled, State::Delivered];

    /// The name of the state.
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

/// A property of an order, with the time and the hook that set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facet {
    /// Since when it holds: the hook's own time, if it has one.
    pub at: Timestamp,
    /// The hook that set it.
    pub hook: HookId,
}

/// Why an event never takes effect: it came too late, or the order is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Late {
    /// A change dated after the order was closed.
    Closed {
        /// What closed it.
        by: EventKind,
        /// When that happened.
        at: Timestamp,
    },
    /// A cancellation of an order that was delivered.
    Delivered { at: Timestamp },
    /// The order has reached the limit of hooks, or of lines in all of them.
    Full {
        /// The maximum number of hooks.
        events_max: usize,
        /// The maximum number of lines in all hooks together.
        lines_max: usize,
    },
}

/// The effect of one event in the fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It changed the order.
    Changed,
    /// It stated nothing new.
    Nothing,
    /// It came too late, by the times of the hooks.
    Late(Late),
}

/// What an order is, according to its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The current content.
    pub content: Content,
    /// The revision of the content: 1 for the content that it was created with,
    /// and one more for each later change of composition, price or delivery
    /// time.
    pub revision: u32,
    /// When it was placed.
    pub created_at: Timestamp,
    pub paid: Option<Facet>,
    pub shipped: Option<Facet>,
    pub delivered: Option<Facet>,
    pub cancelled: Option<Facet>,
    pub cancel_reason: Option<String>,
    /// What a person should look at.
    pub attention: Vec<OrderNote>,
    /// The effect of each event, in canonical order.
    pub effects: Vec<Effect>,
}

impl View {
    /// The state of the order.
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

    /// Whether it accepts no more changes.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state() != State::Open
    }
}

/// The maximum number of notes that one order puts before a person.
const ATTENTION_MAX: usize = 100;

/// Folds events that are in canonical order, the creation first. `None` if the
/// order is not created yet.
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
    // A delivery wins over a cancellation in any order, so it is searched for
    // before the loop.
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
