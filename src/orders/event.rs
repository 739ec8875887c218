//! A hook as an order stores it.

use std::fmt;
use std::time::Duration;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::content::Patch;
use super::note::OrderNote;
use crate::kernel::{Fingerprint, HookId, LocalTime, Timestamp};

/// What happened. The variants are in their natural order in an order's life,
/// which decides which of two events at the same moment comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The order was placed.
    Created,
    /// Its content changed.
    Changed,
    /// The marketplace took the customer's money.
    Paid,
    /// The delivery courier took the goods.
    Received,
    /// The customer has the goods.
    Delivered,
    /// The customer or the marketplace cancelled the order.
    Cancelled,
}

impl EventKind {
    /// Every kind, in natural order.
    pub const ALL: [EventKind; 6] = [
        EventKind::Created,
        EventKind::Changed,
        EventKind::Paid,
        EventKind::Received,
        EventKind::Delivered,
        EventKind::Cancelled,
    ];

    /// The name of the kind in journals and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::Created => "created",
            EventKind::Changed => "changed",
            EventKind::Paid => "paid",
            EventKind::Received => "received",
            EventKind::Delivered => "delivered",
            EventKind::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a hook reports about an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// When it happened, if the hook has a time.
    pub at: Option<LocalTime>,
    /// What it states about the content.
    pub patch: Patch,
    pub reason: Option<String>,
    /// The buyer's contact, for the bill only.
    pub contact: Contact,
    /// What could not be understood, for a person to look at.
    pub notes: Vec<OrderNote>,
}

/// The contact of a buyer, in the form of [`crate::kernel::contact`]. It goes
/// to the payment system with the bill and nowhere else: no order, message or
/// log has it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Contact {
    pub email: Option<String>,
    pub phone: Option<String>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[contact]")
    }
}

/// One hook about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub kind: EventKind,
    /// When it happened according to the sender, if the hook has a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When it happened by a clock of unknown time zone: it orders the sender's
    /// own events among themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<DateTime>,
    /// Whether the hook is dated so far after its arrival that the sender's
    /// clock must be wrong. Such a hook counts from its arrival.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_ahead: bool,
    /// When the hook arrived.
    pub arrived: Timestamp,
    /// Fingerprint of its bytes, or of its delivery id. It distinguishes the
    /// hook from others of the same kind.
    pub fingerprint: Fingerprint,
    /// Its id in the journal.
    pub hook: HookId,
    /// What it states about the content.
    #[serde(default)]
    pub patch: Patch,
    /// Why the order was cancelled, in the sender's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What in the hook could not be understood, for a person to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<OrderNote>,
}

/// How far after its arrival a hook may be dated before the sender's clock is
/// considered wrong.
pub const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

impl Event {
    /// When it happened, for its place among the other events.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        if self.is_ahead { Some(self.arrived) } else { self.at }
    }

    /// When it happened, for people: its arrival if no better time is known.
    #[must_use]
    pub fn shown_at(&self) -> Timestamp {
        self.time().unwrap_or(self.arrived)
    }

    /// Whether its bytes state when it happened, so that a second delivery of
    /// the same bytes is a retry.
    #[must_use]
    pub fn bears_time(&self) -> bool {
        self.at.is_some() || self.wall.is_some()
    }
}

/// Sorts events into canonical order: the earliest `created` first, the others
/// by time, then by kind in natural order, then by fingerprint.
///
/// An event without a time counts from its arrival. If it arrived before the
/// order did, it counts from the order's creation, so that parked events follow
/// the creation in natural order. Events that have a time without an offset
/// share the places that this gives them, and are sorted within these places by
/// their own times. If there is no `created`, returns `false` and leaves the
/// events in order of arrival.
pub fn sort_canonically(events: &mut [Event]) -> bool {
    let Some(base) = first_creation(events) else {
        events.sort_by_key(|event| (event.arrived, event.fingerprint));
        return false;
    };
    let (base, base_time) = (base.hook, base.shown_at());
    let creations = events.iter().filter(|event| event.kind == EventKind::Created);
    let born = creations.map(|event| event.arrived).min().unwrap_or(base_time);
    events.sort_by_key(|event| {
        let time = match event.time() {
            Some(at) => at,
            None if event.arrived <= born => base_time,
            None => event.arrived,
        };
        (event.hook != base, time, event.kind, event.fingerprint)
    });
    let (_, later) = events.split_at_mut(1);
    sort_by_walls(later);
    true
}

fn first_creation(events: &[Event]) -> Option<&Event> {
    let creations = || events.iter().filter(|event| event.kind == EventKind::Created);
    let first = creations().min_by_key(|event| (event.shown_at(), event.fingerprint))?;
    let by_walls = creations()
        .filter_map(|event| wall_of(event).map(|wall| ((wall, event.fingerprint), event)));
    let earliest = by_walls.min_by_key(|(key, _)| *key).map(|(_, event)| event);
    if wall_of(first).is_some() { earliest } else { Some(first) }
}

/// Its time without an offset, if it has no better time.
fn wall_of(event: &Event) -> Option<DateTime> {
    event.wall.filter(|_| event.time().is_none())
}

/// Sorts the events that have a time without an offset by these times, within
/// the places that they occupy together.
fn sort_by_walls(events: &mut [Event]) {
    let places: Vec<usize> =
        (0..events.len()).filter(|&place| wall_of(&events[place]).is_some()).collect();
    let mut timed: Vec<Event> = places.iter().map(|&place| events[place].clone()).collect();
    timed.sort_by_key(|event| (event.wall, event.kind, event.fingerprint));
    for (place, event) in places.into_iter().zip(timed) {
        events[place] = event;
    }
}
