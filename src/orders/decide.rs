//! A hook meets an order: what becomes of both.

use super::content::Content;
use super::difference::Difference;
use super::event::{Event, EventKind, sort_canonically};
use super::fact::Fact;
use super::fold::{Effect, Late, State, View, fold};
use super::note::OrderNote;
use super::order::Order;
use super::stock::{MovementLine, Shelf};
use crate::kernel::{ExternalId, HookId, PartyName};
use crate::orders::Number;

/// A hook about an order, ready to be judged.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The order's number.
    pub number: Number,
    /// Where it comes from.
    pub source: PartyName,
    /// The sender's number.
    pub external_id: ExternalId,
    /// The hook itself.
    pub event: Event,
}

/// How a hook stands to its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was taken in and counts.
    Applied,
    /// It was taken in, and nothing of what it says stands: newer hooks have spoken of all of it.
    Outdated,
    /// It says what an earlier hook of its kind has said: a copy in other bytes.
    Repeated,
    /// It came too late to count.
    Late(Late),
    /// It waits for the order to be created.
    Parked,
}

/// Something that pickers are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    /// There is an order to pick.
    New(Content),
    /// There is an order, and nobody knows what of: its hooks had no lines that could be read.
    WithoutLines {
        /// The shop that would pick it.
        store_id: String,
    },
    /// An order has changed.
    Changed {
        /// The shop that picks it.
        store_id: String,
        /// How.
        difference: Difference,
        /// The order was closed when this came, by a hook with a later time.
        already: Option<State>,
    },
    /// An order need not be picked any more.
    Cancelled {
        /// The shop that was picking it.
        store_id: String,
    },
}

impl Announcement {
    /// The shop whose pickers it is for.
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

/// What follows from a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// How the hook stands.
    pub standing: Standing,
    /// The order as it is to be written; none when nothing about it changes.
    pub order: Option<Order>,
    /// What changed, for the journal.
    pub facts: Vec<Fact>,
    /// What pickers are to be told.
    pub announcements: Vec<Announcement>,
    /// What moves in the shops' stock.
    pub movement: Vec<MovementLine>,
    /// Hooks that were parked and now stand otherwise.
    pub unparked: Vec<(HookId, Standing)>,
}

/// The most hooks that an order remembers. A real one has a dozen or two; beyond this, hooks are kept in
/// the journal only, so that a sender gone mad cannot grow a document without end.
pub const EVENTS_MAX: usize = 500;

/// The most lines that the hooks of an order may have together: each hook brings all of them anew, and the
/// document holds every hook. The largest orders have a few hundred.
pub const LINES_OF_ALL_EVENTS_MAX: usize = 20_000;

/// Judges `incoming` against `order`, which is what was heard of it so far.
#[must_use]
pub fn decide(order: Option<&Order>, incoming: Incoming) -> Decision {
    let Incoming { number, source, external_id, event } = incoming;
    let hook = event.hook;
    let mut next = order.cloned().unwrap_or_else(|| Order::unheard(number, source, external_id));
    match admit(&mut next.events, event) {
        Admission::New | Admission::Merged { changed: true } => {}
        Admission::Merged { changed: false } => return Decision::nothing(Standing::Repeated),
        Admission::Full => {
            let (events_max, lines_max) = (EVENTS_MAX, LINES_OF_ALL_EVENTS_MAX);
            return Decision::nothing(Standing::Late(Late::Full { events_max, lines_max }));
        }
    }
    let before = order.and_then(Order::view);
    let is_born = sort_canonically(&mut next.events);
    let Some(after) = is_born.then(|| fold(&next.events)).flatten() else {
        return Decision { order: Some(next), ..Decision::nothing(Standing::Parked) };
    };

    let standing = |place: usize| standing(&next.events, &after.effects, place);
    let own = next.events.iter().position(|event| event.hook == hook);
    let own = own.map_or(Standing::Repeated, standing);
    let unparked: Vec<(HookId, Standing)> = match before {
        Some(_) => Vec::new(),
        None => {
            let others = next.events.iter().enumerate().filter(|(_, event)| event.hook != hook);
            others.map(|(place, event)| (event.hook, standing(place))).collect()
        }
    };

    let mut facts = facts_between(before.as_ref(), &after);
    if before.is_none() {
        let parked = next.events.iter().filter(|event| event.hook != hook);
        facts.extend(parked.map(|event| Fact::Unparked { kind: event.kind }));
    }
    let announcements = announcements(before.as_ref(), &after);
    let shipped = match after.shipped {
        // A site's order names no store: nobody knows on whose balance its goods are.
        Some(_) if after.content.store_id.is_empty() => next.written_off.clone(),
        Some(_) => Shelf::of(&after.content),
        None => Shelf::default(),
    };
    let movement = next.written_off.lines_towards(&shipped);
    // Written off is what left: below zero for the balance.
    let movement: Vec<MovementLine> =
        movement.into_iter().map(|line| MovementLine { quantity: -line.quantity, ..line }).collect();
    if !movement.is_empty() {
        facts.push(Fact::StockMoved { lines: movement.clone() });
        next.written_off = shipped;
        next.movements += 1;
    }
    Decision { standing: own, order: Some(next), facts, announcements, movement, unparked }
}

impl Decision {
    fn nothing(standing: Standing) -> Decision {
        Decision {
            standing,
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
    /// The same was there. `changed` when the copy moved its time.
    Merged {
        changed: bool,
    },
    Full,
}

/// Puts a hook among the others, unless it is there.
///
/// Copies of a creation are the same event when they say the same, whatever their bytes and times: it
/// happened when the earliest of them says. Other kinds may truly happen twice, so only equal bytes, which
/// bear equal times, are the same.
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
    // What an order's life hangs on is always taken in: its creation, and the first of each facet.
    let is_first = !events.iter().any(|known| known.kind == event.kind);
    let is_vital = is_first && event.kind != EventKind::Changed;
    let lines_of = |event: &Event| event.patch.positions.as_ref().map_or(0, Vec::len);
    let lines: usize = events.iter().map(lines_of).sum();
    let is_full = events.len() >= EVENTS_MAX || lines + lines_of(&event) > LINES_OF_ALL_EVENTS_MAX;
    if is_full && !is_vital {
        return Admission::Full;
    }
    events.push(event);
    Admission::New
}

/// How the event at `place` stands, after what each of them did.
fn standing(events: &[Event], effects: &[Effect], place: usize) -> Standing {
    let (Some(event), Some(effect)) = (events.get(place), effects.get(place)) else {
        return Standing::Repeated;
    };
    match (effect, event.kind) {
        (Effect::Late(late), _) => Standing::Late(*late),
        (Effect::Changed, EventKind::Created | EventKind::Changed)
        | (Effect::Nothing, EventKind::Changed) => {
            let later = events.iter().zip(effects).skip(place + 1);
            let newer = later.filter(|(later, effect)| {
                matches!(later.kind, EventKind::Created | EventKind::Changed)
                    && !matches!(effect, Effect::Late(_))
            });
            let is_outdated = place > 0 && event.patch.is_covered_by(newer.map(|(later, _)| &later.patch));
            if is_outdated { Standing::Outdated } else { Standing::Applied }
        }
        (Effect::Changed, _) => Standing::Applied,
        (Effect::Nothing, _) => Standing::Repeated,
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
                difference.window.map(|window| Fact::WindowChanged { from: window.from, to: window.to }),
            );
            facts.extend(difference.store_id.map(|store_id| Fact::StoreChanged { store_id }));
            let (from, to) = (before.content.sums.total, after.content.sums.total);
            if from != to {
                facts.push(Fact::TotalChanged { from, to });
            }
            let (from, to) = (before.content.sums.discount_total, after.content.sums.discount_total);
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
        // Pickers have not heard of it; of an order that is over they need not hear.
        return to_pick.then(|| new_order(&after.content)).into_iter().collect();
    };
    if to_pick && before.content.positions.is_empty() && !after.content.positions.is_empty() {
        return vec![new_order(&after.content)];
    }
    let mut announcements = Vec::new();
    let difference = Difference::between(&before.content, &after.content);
    if difference.concerns_pickers() {
        let already = Some(after.state()).filter(|state| *state != State::Open);
        // Whoever was picking it must hear that it moved to another shop.
        let old_store = difference.store_id.as_ref().map(|_| before.content.store_id.clone());
        for store_id in old_store.into_iter().chain([after.content.store_id.clone()]) {
            announcements.push(Announcement::Changed { store_id, difference: difference.clone(), already });
        }
    }
    if before.cancelled.is_none() && after.cancelled.is_some() && after.shipped.is_none() {
        announcements.push(Announcement::Cancelled { store_id: after.content.store_id.clone() });
    }
    announcements
}

/// An order without a line is no order to pick: pickers hear that there is something to look into.
fn new_order(content: &Content) -> Announcement {
    if content.positions.is_empty() {
        Announcement::WithoutLines { store_id: content.store_id.clone() }
    } else {
        Announcement::New(content.clone())
    }
}

/// What a second delivery of the very same bytes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatReading {
    /// A retry: nothing has happened.
    Retry,
    /// Either a retry that was on its way for long, or the content has gone back to what it was: the hook
    /// bears no time, and the order has been changed since.
    Ambiguous,
}

/// Reads the second delivery of `hook`. Only a change without a time can mean two things: content that
/// went A, B and back to A sends the first hook's bytes again.
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

/// Puts an ambiguous repeat before a person. None when it has been put there already.
#[must_use]
pub fn flag_repeat(order: &Order, hook: HookId) -> Option<Order> {
    let flag = OrderNote::AmbiguousRepeat { hook };
    if order.flags.contains(&flag) {
        return None;
    }
    let mut flagged = order.clone();
    flagged.flags.push(flag);
    Some(flagged)
}
