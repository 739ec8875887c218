//! The order's document, as it is stored.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::fold::{View, fold};
use super::note::OrderNote;
use super::stock::Shelf;
use crate::kernel::DocKey;
use crate::kernel::document::{decode_json, encode_json};
use crate::kernel::{Document, ExternalId, Kind, PartyName, Timestamp, Unreadable};
use crate::orders::Number;
use crate::outbox::MessageId;

/// An order: who it is, everything that was heard of it, and what has been done about it.
///
/// What the order *is* is not stored but folded from the events by [`Order::view`]. What *has been done* is:
/// so that it is done once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Our number.
    pub number: Number,
    /// Where it comes from.
    pub source: PartyName,
    /// The sender's number.
    pub external_id: ExternalId,
    /// Its events, in canonical order once it is created.
    pub events: Vec<Event>,
    /// What has been written off for it.
    #[serde(default)]
    pub written_off: Shelf,
    /// How many movements it has had: the next one's number.
    #[serde(default)]
    pub movements: u32,
    /// How many messages it has had: the next one's sequence.
    #[serde(default)]
    pub messages: u32,
    /// What a person should look at besides what the fold finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<OrderNote>,
    /// Which of these notes, and of those that the fold finds, a person has seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<OrderNote>,
}

impl Order {
    /// Where an order lies.
    #[must_use]
    pub fn key(number: Number) -> DocKey {
        DocKey { partition: number.partition(), kind: Order::KIND, id: 0 }
    }

    /// An order of which nothing has been heard yet.
    #[must_use]
    pub fn unheard(number: Number, source: PartyName, external_id: ExternalId) -> Order {
        Order {
            number,
            source,
            external_id,
            events: Vec::new(),
            written_off: Shelf::default(),
            movements: 0,
            messages: 0,
            flags: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// What the order is; none until it is created, while its hooks are parked.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        fold(&self.events)
    }
}

impl Order {
    /// The id of a message about the order that is about to be written.
    pub fn next_message(&mut self) -> MessageId {
        self.messages += 1;
        MessageId { subject: self.number.partition(), sequence: self.messages }
    }

    /// A moment after everything that has made the order what it is, whatever the senders' clocks say: `now`, or later.
    #[must_use]
    pub fn after_all(&self, now: Timestamp) -> Timestamp {
        self.events.iter().filter_map(Event::time).fold(now, Timestamp::max)
    }

    /// Drops the lines of changes that a later change has overtaken: the hooks themselves are in the journal. For an order
    /// whose events never come out of turn, as a site's do; in a marketplace's the lines may be wanted yet.
    pub fn drop_overtaken_lines(&mut self) {
        let states_lines = |event: &Event| event.patch.positions.is_some();
        let Some(last) = self.events.iter().rposition(states_lines) else { return };
        for place in (0..last).filter(|place| states_lines(&self.events[*place])).collect::<Vec<_>>() {
            let revision = self.view().map(|view| view.revision);
            let patch = &mut self.events[place].patch;
            (patch.positions, patch.overtaken) = (None, Some(true));
            if self.view().map(|view| view.revision) != revision {
                self.events[place].patch.overtaken = Some(false);
            }
        }
    }

    /// A person has looked at what there is to look at.
    pub fn see(&mut self) {
        let view = self.view().map(|view| view.attention).unwrap_or_default();
        self.seen = view.into_iter().chain(self.flags.iter().cloned()).collect();
    }
}

impl Document for Order {
    const KIND: Kind = Kind::listed(1, "orders");
    const SCHEMA: u16 = 2;
    const OLDEST: u16 = 2;

    fn encode(&self) -> Vec<u8> {
        encode_json(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Order, Unreadable> {
        decode_json(schema, bytes)
    }
}
