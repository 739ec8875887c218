//! A hook as an order remembers it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::content::Patch;
use crate::kernel::{Fingerprint, HookId, Timestamp};

/// What happened. The order of the kinds is their natural order in an order's life: it settles which of two
/// events at the same moment comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The order was placed.
    Created,
    /// Its content changed.
    Changed,
    /// The customer's money was taken, by the marketplace.
    Paid,
    /// The courier took the goods.
    Received,
    /// The customer has them.
    Delivered,
    /// The customer or the marketplace called it off.
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

    /// Its name in journals and metrics.
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

/// What a hook says about an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// When it happened, if the hook bears a time.
    pub at: Option<Timestamp>,
    /// What it says of the content.
    pub patch: Patch,
    /// Why the order was cancelled.
    pub reason: Option<String>,
    /// What could not be understood, for a person to look at.
    pub notes: Vec<String>,
}

/// One hook about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When, by the sender's word, if the hook bears a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When the hook came.
    pub arrived: Timestamp,
    /// Of its bytes: what tells it from another hook of the same kind.
    pub fingerprint: Fingerprint,
    /// Its receipt.
    pub hook: HookId,
    /// What it says of the content.
    #[serde(default)]
    pub patch: Patch,
    /// Why the order was cancelled, in the sender's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What in the hook could not be understood, for a person to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Brings events into canonical order: the earliest `created` first, the others by their time, then by
/// natural rank, then by fingerprint.
///
/// An event without a time counts from its arrival, except that one which came before the order did counts
/// from the order's creation: the parked then follow it in natural rank. Returns `false`, and leaves the
/// events in order of arrival, while there is no `created`.
pub fn sort_canonically(events: &mut [Event]) -> bool {
    let creations = || events.iter().filter(|event| event.kind == EventKind::Created);
    let own_time = |event: &Event| (event.at.unwrap_or(event.arrived), event.fingerprint);
    let Some(base) = creations().map(own_time).min() else {
        events.sort_by_key(|event| (event.arrived, event.fingerprint));
        return false;
    };
    let born = creations().map(|event| event.arrived).min().unwrap_or(base.0);
    events.sort_by_key(|event| {
        let is_base = event.kind == EventKind::Created && own_time(event) == base;
        let time = match event.at {
            Some(at) => at,
            None if event.arrived <= born => base.0,
            None => event.arrived,
        };
        (!is_base, time, event.kind, event.fingerprint)
    });
    true
}
