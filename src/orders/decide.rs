//! Decides what a hook changes about its order.

use super::content::Content;
use super::difference::Difference;
use super::event::{Event, EventKind, sort_canonically};
use super::fact::Fact;
use super::fold::{Effect, Late, State, View, fold};
use super::note::OrderNote;
use super::order::Order;
use super::stock::{MovementLine, StockLevels};
use crate::kernel::{ExternalId, HookId, PartyName};
use crate::orders::Number;

/// A hook about an order, before it is judged.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub number: Number,
    /// The source of the hook.
    pub source: PartyName,
    /// The sender's number of the order.
    pub external_id: ExternalId,
    pub event: Event,
}

/// The effect of a hook on its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookEffect {
    /// Recorded, with effect.
    Applied,
    /// Recorded, but without effect: newer hooks have already set every field
    /// it sets.
    Outdated,
    /// A duplicate: it states the same as an earlier hook of its kind, though
    /// in other bytes.
    Repeated,
    /// It came too late to have an effect.
    Late(Late),
    /// Recorded; it waits until the order is created.
    Parked,
}

/// A message for the pickers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// There is an order to pick.
    New(Content),
    /// There is an order, but its lines are unknown: its hooks had no lines
    /// that could be read.
    WithoutLines {
        /// The store that would pick it.
        store_id: String,
    },
    Changed {
        /// The store that picks it.
        store_id: String,
        difference: Difference,
        /// The state of the order if it was already closed when this change
        /// came, by a hook with a later time.
        already: Option<State>,
    },
    /// The order need not be picked any more.
    Cancelled {
        /// The store that was picking it.
        store_id: String,
    },
}

impl Announcement {
    /// The store whose pickers it is for.
    #[must_use]
    pub fn store_id(&self) -> &str {
        match self {
            Announcement::New(content) => &content.store_id,
            Announcement::WithoutLines { store_id }
            | Announcement::Changed { store_id, .. }
            | Announcement::Cancelled { store_id } => store_id,
        }
    }
}

/// Everything that follows from a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub effect: HookEffect,
    /// The order to write; `None` if nothing about it changes.
    pub order: Option<Order>,
    /// What changed, for the journal.
    pub facts: Vec<Fact>,
    /// The messages for the pickers.
    pub announcements: Vec<Announcement>,
    /// The movements in the stores' stock.
    pub movement: Vec<MovementLine>,
    /// Hooks that were parked, with their new effects.
    pub unparked: Vec<(HookId, HookEffect)>,
}

/// The maximum number of hooks that an order stores. A real order has a dozen
/// or two. Further hooks are only kept in the journal, so that a faulty sender
/// cannot grow a document without limit.
pub const EVENTS_MAX: usize = 500;

/// The maximum number of lines in all hooks of an order together. Each hook
/// brings all lines again, and the document stores every hook. The largest
/// orders have a few hundred lines.
pub const LINES_OF_ALL_EVENTS_MAX: usize = 20_000;

/// Judges `incoming` against `order`, which holds all earlier hooks.
#[must_use]
pub fn decide(order: Option<&Order>, incoming: Incoming) -> Decision {
    let Incoming { number, source, external_id, event } = incoming;
    let hook = event.hook;
    let mut next = order.cloned().unwrap_or_else(|| Order::new(number, source, external_id));
    match admit(&mut next.events, event) {
        Admission::New | Admission::Merged { changed: true } => {}
        Admission::Merged { changed: false } => return Decision::nothing(HookEffect::Repeated),
        Admission::Full => {
            let (events_max, lines_max) = (EVENTS_MAX, LINES_OF_ALL_EVENTS_MAX);
            return Decision::nothing(HookEffect::Late(Late::Full { events_max, lines_max }));
        }
    }
    let before = order.and_then(Order::view);
    let is_born = sort_canonically(&mut next.events);
    let Some(after) = is_born.then(|| fold(&next.events)).flatten() else {
        return Decision { order: Some(next), ..Decision::nothing(HookEffect::Parked) };
    };

    let effect = |place: usize| effect(&next.events, &after.effects, place);
    let own = next.events.iter().position(|event| event.hook == hook);
    let own = own.map_or(HookEffect::Repeated, effect);
    let unparked: Vec<(HookId, HookEffect)> = match before {
        Some(_) => Vec::new(),
        None => {
            let others = next.events.iter().enumerate().filter(|(_, event)| event.hook != hook);
            others.map(|(place, event)| (event.hook, effect(place))).collect()
        }
    };

    let mut facts = facts_between(before.as_ref(), &after);
    if before.is_none() {
        let parked = next.events.iter().filter(|event| event.hook != hook);
        facts.extend(parked.map(|event| Fact::Unparked { kind: event.kind }));
    }
    let announcements = announcements(before.as_ref(), &after);
    let shipped = match after.shipped {
        // A site's order names no store, so it is unknown whose balance its
        // goods are on.
        Some(_) if after.content.store_id.is_empty() => next.written_off.clone(),
        Some(_) => StockLevels::of(&after.content),
        None => StockLevels::default(),
    };
    let movement = next.written_off.lines_towards(&shipped);
    // Goods that were written off left the store: the balance goes down.
    let movement: Vec<MovementLine> = movement
        .into_iter()
        .map(|line| MovementLine { quantity: -line.quantity, ..line })
        .collect();
    if !movement.is_empty() {
        facts.push(Fact::StockMoved { lines: movement.clone() });
        next.written_off = shipped;
        next.movements += 1;
    }
    Decision { effect: own, order: Some(next), facts, announcements, movement, unparked }
}

impl Decision {
    fn nothing(effect: HookEffect) -> Decision {
        Decision {
            effect,
            order: None,
            facts: Vec::new(),
            announcements: Vec::new(),
            movement: Vec::new(),
            unparked: Vec::new(),
        }
    }
}

enum Admission {
    New,
    /// The same event was there already. `changed` if the duplicate changed its
    /// time.
    Merged {
        changed: bool,
    },
    Full,
}

/// Adds a hook to the events, unless it is there already.
///
/// Duplicates of a creation are the same event if they state the same, whatever
/// their bytes and times: it happened at the earliest of their times. Events of
/// other kinds may really happen twice, so only equal bytes, which have equal
/// times, are the same event.
fn admit(events: &mut Vec<Event>, event: Event) -> Admission {
    let same = events.iter_mut().find(|known| {
        let same_creation = event.kind == EventKind::Created && known.patch == event.patch;
        known.kind == event.kind && (known.fingerprint == event.fingerprint || same_creation)
    });
    if let Some(known) = same {
        let when = |event: &Event| (event.shown_at(), event.fingerprint);
        let is_earlier = match (event.time(), known.time(), event.wall, known.wall) {
            (Some(_), _, _, _) => when(&event) < when(known),
            (None, None, Some(wall), Some(known_wall)) => {
                (wall, event.fingerprint) < (known_wall, known.fingerprint)
            }
            (None, _, _, _) => false,
        };
        if is_earlier {
            (known.at, known.is_ahead, known.wall) = (event.time(), false, event.wall);
            known.fingerprint = event.fingerprint;
        }
        return Admission::Merged { changed: is_earlier };
    }
    // Events that decide the order's state are always accepted: its creation,
    // and the first event of each facet.
    let is_first = !events.iter().any(|known| known.kind == event.kind);
    let is_vital = is_first && event.kind != EventKind::Changed;
    let lines_of = |event: &Event| event.patch.positions.as_ref().map_or(0, |lines| lines.len());
    let lines: usize = events.iter().map(lines_of).sum();
    let is_full = events.len() >= EVENTS_MAX || lines + lines_of(&event) > LINES_OF_ALL_EVENTS_MAX;
    if is_full && !is_vital {
        return Admission::Full;
    }
    events.push(event);
    Admission::New
}

/// The effect of the event at `place`, given what each event did in the fold.
fn effect(events: &[Event], effects: &[Effect], place: usize) -> HookEffect {
    let (Some(event), Some(effect)) = (events.get(place), effects.get(place)) else {
        return HookEffect::Repeated;
    };
    match (effect, event.kind) {
        (Effect::Late(late), _) => HookEffect::Late(*late),
        (Effect::Changed, EventKind::Created | EventKind::Changed)
        | (Effect::Nothing, EventKind::Changed) => {
            let later = events.iter().zip(effects).skip(place + 1);
            let newer = later.filter(|(later, effect)| {
                matches!(later.kind, EventKind::Created | EventKind::Changed)
                    && !matches!(effect, Effect::Late(_))
            });
            let is_outdated =
                place > 0 && event.patch.is_covered_by(newer.map(|(later, _)| &later.patch));
            if is_outdated { HookEffect::Outdated } else { HookEffect::Applied }
        }
        (Effect::Changed, _) => HookEffect::Applied,
        (Effect::Nothing, _) => HookEffect::Repeated,
    }
}

fn facts_between(before: Option<&View>, after: &View) -> Vec<Fact> {
    let mut facts = Vec::new();
    let old_state = before.map_or(State::Open, View::state);
    match before {
        None => {
            facts.push(Fact::Created {
                positions: after.content.positions.len(),
                total: after.content.sums.total,
            });
        }
        Some(before) => {
            if after.revision != before.revision {
                facts.push(Fact::Revised { revision: after.revision });
            }
            let difference = Difference::between(&before.content, &after.content);
            facts.extend(difference.positions.into_iter().map(|change| Fact::PositionChanged {
                sku: change.sku,
                from: change.from,
                to: (!change.is_unread).then_some(change.to),
                replaced_by: change.replaced_by,
            }));
            facts.extend(
                difference
                    .window
                    .map(|window| Fact::WindowChanged { from: window.from, to: window.to }),
            );
            facts.extend(difference.store_id.map(|store_id| Fact::StoreChanged { store_id }));
            let (from, to) = (before.content.sums.total, after.content.sums.total);
            if from != to {
                facts.push(Fact::TotalChanged { from, to });
            }
            let (from, to) =
                (before.content.sums.discount_total, after.content.sums.discount_total);
            if from != to {
                facts.push(Fact::DiscountTotalChanged { from, to });
            }
            if difference.details {
                facts.push(Fact::DetailsChanged);
            }
        }
    }
    if after.state() != old_state {
        facts.push(Fact::StateChanged { from: old_state, to: after.state() });
    }
    let known = before.map_or(&[][..], |before| &before.attention);
    let new = after.attention.iter().filter(|note| !known.contains(note));
    facts.extend(new.map(|note| Fact::Attention { note: note.clone() }));
    facts
}

fn announcements(before: Option<&View>, after: &View) -> Vec<Announcement> {
    let to_pick = after.shipped.is_none() && after.cancelled.is_none();
    let Some(before) = before else {
        // Pickers do not know the order yet. If it is over, they need not know.
        return to_pick.then(|| new_order(&after.content)).into_iter().collect();
    };
    if to_pick && before.content.positions.is_empty() && !after.content.positions.is_empty() {
        return vec![new_order(&after.content)];
    }
    let mut announcements = Vec::new();
    let difference = Difference::between(&before.content, &after.content);
    if difference.concerns_pickers() {
        let already = Some(after.state()).filter(|state| *state != State::Open);
        // The pickers of the previous store must know that the order has moved
        // to another store.
        let old_store = difference.store_id.as_ref().map(|_| before.content.store_id.clone());
        for store_id in old_store.into_iter().chain([after.content.store_id.clone()]) {
            announcements.push(Announcement::Changed {
                store_id,
                difference: difference.clone(),
                already,
            });
        }
    }
    if before.cancelled.is_none() && after.cancelled.is_some() && after.shipped.is_none() {
        announcements.push(Announcement::Cancelled { store_id: after.content.store_id.clone() });
    }
    announcements
}

/// An order without lines cannot be picked: the pickers are only asked to look
/// into it.
fn new_order(content: &Content) -> Announcement {
    if content.positions.is_empty() {
        Announcement::WithoutLines { store_id: content.store_id.clone() }
    } else {
        Announcement::New(content.clone())
    }
}

/// The meaning of a second delivery of exactly the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatReading {
    Retry,
    /// Either a retry that was delayed for long, or the content has changed
    /// back: the hook has no time of its own, and the order has changed since.
    Ambiguous,
}

/// Determines the meaning of a second delivery of `hook`. Only a change without
/// a time is ambiguous: if the content goes from A to B and back to A, the
/// sender sends the bytes of the first hook again.
#[must_use]
pub fn reading_of_repeat(order: &Order, hook: HookId) -> RepeatReading {
    let Some(place) = order.events.iter().position(|event| event.hook == hook) else {
        return RepeatReading::Retry;
    };
    let event = &order.events[place];
    let is_open = order.view().is_some_and(|view| !view.is_closed());
    if event.kind != EventKind::Changed || event.bears_time() || !is_open {
        return RepeatReading::Retry;
    }
    let mut now = Content::default();
    order.events.iter().for_each(|event| now.apply(&event.patch));
    let mut again = now.clone();
    again.apply(&event.patch);
    if again == now { RepeatReading::Retry } else { RepeatReading::Ambiguous }
}

/// Puts an ambiguous repeat before a person. `None` if it already is.
#[must_use]
pub fn flag_repeat(order: &Order, hook: HookId) -> Option<Order> {
    order.flagged(OrderNote::AmbiguousRepeat { hook })
}
