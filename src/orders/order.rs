//! The document of an order, in its stored form.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::fold::{View, fold};
use super::listing;
use super::note::OrderNote;
use super::stock::StockLevels;
use crate::kernel::DocKey;
use crate::kernel::document::{self, Keyed};
use crate::kernel::{Document, ExternalId, Kind, ListName, PartyName, Timestamp, Unreadable};
use crate::orders::Number;
use crate::outbox::MessageId;

/// An order: its identity, all hooks about it, and what was done about it.
///
/// What the order *is* is not stored: [`Order::view`] folds it from the events.
/// What *was done* is stored, so that it is done only once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The order's number at tillgate.
    pub number: Number,
    /// The source that sent it.
    pub source: PartyName,
    /// The sender's number of the order.
    pub external_id: ExternalId,
    /// Its events, in canonical order once it is created.
    pub events: Vec<Event>,
    /// The quantities that were written off for it.
    #[serde(default)]
    pub written_off: StockLevels,
    /// The quantities that were promised to it while it is open.
    #[serde(default, skip_serializing_if = "StockLevels::is_empty")]
    pub promised: StockLevels,
    /// How many movements it has had. The next one gets the next number.
    #[serde(default)]
    pub movements: u32,
    /// How many messages it has had. The next one gets the next sequence
    /// number.
    #[serde(default)]
    pub messages: u32,
    /// Notes for a person, in addition to those that the fold finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<OrderNote>,
    /// Which of these notes, and of those that the fold finds, a person has
    /// seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<OrderNote>,
}

impl Order {
    /// The key of an order's document.
    #[must_use]
    pub fn key(number: Number) -> DocKey {
        DocKey { partition: number.partition(), kind: Order::KIND, id: 0 }
    }

    /// An order without any hooks yet.
    #[must_use]
    pub fn new(number: Number, source: PartyName, external_id: ExternalId) -> Order {
        Order {
            number,
            source,
            external_id,
            events: Vec::new(),
            written_off: StockLevels::default(),
            promised: StockLevels::default(),
            movements: 0,
            messages: 0,
            flags: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// What the order is; `None` until it is created, while its hooks are
    /// parked.
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

    /// The id that [`Order::next_message`] returned last.
    #[must_use]
    pub fn last_message(&self) -> MessageId {
        MessageId { subject: self.number.partition(), sequence: self.messages }
    }

    /// The goods that it will take, until they are shipped or it is cancelled,
    /// if it names a store. A paid order has not left the shelf.
    #[must_use]
    pub fn wanted_goods(&self) -> StockLevels {
        let view = self.view().filter(|view| view.shipped.is_none() && view.cancelled.is_none());
        match view {
            Some(view) if !view.content.store_id.is_empty() => {
                StockLevels::of(&view.content).sane()
            }
            Some(_) | None => StockLevels::default(),
        }
    }

    /// A moment not before any event of the order, whatever the senders' clocks
    /// say: `now`, or later.
    #[must_use]
    pub fn after_all(&self, now: Timestamp) -> Timestamp {
        self.events.iter().filter_map(Event::time).fold(now, Timestamp::max)
    }

    /// Drops the lines of changes that a later change has replaced; the hooks
    /// themselves are in the journal. Use it only for orders whose events never
    /// arrive out of order, such as a site's. The lines of a marketplace's
    /// order may still be needed.
    pub fn drop_overtaken_lines(&mut self) {
        let states_lines = |event: &Event| event.patch.positions.is_some();
        let Some(last) = self.events.iter().rposition(states_lines) else { return };
        for place in
            (0..last).filter(|place| states_lines(&self.events[*place])).collect::<Vec<_>>()
        {
            let revision = self.view().map(|view| view.revision);
            let patch = &mut self.events[place].patch;
            (patch.positions, patch.overtaken) = (None, Some(true));
            if self.view().map(|view| view.revision) != revision {
                self.events[place].patch.overtaken = Some(false);
            }
        }
    }

    /// Whether a person should look at the order.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        self.needs_attention_as(self.view().as_ref())
    }

    fn needs_attention_as(&self, view: Option<&View>) -> bool {
        let noted = view.map_or(&[][..], |view| &view.attention);
        noted.iter().chain(&self.flags).any(|note| !self.seen.contains(note))
    }

    /// The order with another note for a person, unless it has an equal one.
    #[must_use]
    pub fn flagged(&self, note: OrderNote) -> Option<Order> {
        if self.flags.contains(&note) {
            return None;
        }
        let mut flagged = self.clone();
        flagged.flags.push(note);
        Some(flagged)
    }

    /// Marks every current note as seen by a person.
    pub fn see(&mut self) {
        let view = self.view().map(|view| view.attention).unwrap_or_default();
        self.seen = view.into_iter().chain(self.flags.iter().cloned()).collect();
    }
}

impl Keyed for Order {
    fn key(&self) -> DocKey {
        Order::key(self.number)
    }
}

impl Document for Order {
    const KIND: Kind = Kind::new(1, "orders");
    const SCHEMA: u16 = 3;
    const OLDEST: u16 = 3;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        // What is left of an order that was never created is in no list.
        if self.events.is_empty() {
            return Vec::new();
        }
        let view = self.view();
        let in_state = match &view {
            Some(view) => listing::in_state(&self.source, view.state()),
            None => listing::parked(&self.source),
        };
        // A parked order is shown to nobody before it is created.
        let waits = view.is_some() && self.needs_attention_as(view.as_ref());
        let waiting = waits.then(listing::waiting_for_a_person);
        [in_state].into_iter().chain(waiting).collect()
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Order, Unreadable> {
        document::decode(schema, bytes)
    }
}
