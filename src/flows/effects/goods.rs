//! Pickers are told, and balances move.

use crate::notify;
use std::time::Duration;

use super::super::transaction::Transaction;
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::{HookId, Quantity};
use crate::notify::{Letter, Subject, render};
use crate::orders::{Announcement, Fact, Movement, MovementLine, Order};
use crate::outbox::Message;
use crate::store::{Bump, CounterKey, Expect};

impl Transaction<'_> {
    /// Tells the pickers of a shop. The order's count of messages goes up: the order is to be written.
    pub(in crate::flows) fn tell_pickers(&mut self, order: &mut Order, announcement: &Announcement) {
        let audience = &self.services.audience;
        let store_id = announcement.store_id();
        let Some(chat) = audience.chat_of(store_id) else {
            self.note_fact(&Fact::NobodyToTell { store_id: store_id.to_owned() });
            return;
        };
        let id = order.next_message();
        let subject = Subject { external_id: &order.external_id, message: id };
        let text = render(audience.language, subject, announcement);
        let letter = Letter { store_id: store_id.to_owned(), text };
        let body = serde_json::to_string(&letter).unwrap_or_default();
        let (queue, created_at, wait) = (chat.to_owned(), self.now, Duration::ZERO);
        self.send(Message { id, lane: notify::LANE, queue, body, created_at, wait });
        self.note_fact(&Fact::Announced { message: id });
    }

    /// Goods leave the balances of shops, or come back: the latest movement of the order, which `hook` has caused.
    pub(in crate::flows) fn move_stock(&mut self, order: &Order, hook: HookId, lines: Vec<MovementLine>) {
        if lines.is_empty() {
            return;
        }
        let now = self.now;
        let partition = order.number.partition();
        let key = DocKey { partition, kind: Movement::KIND, id: u128::from(order.movements) };
        for line in &lines {
            let counter = CounterKey { group: line.store_id.clone(), name: line.sku.clone() };
            self.batch().bump(counter, Bump::Add(Quantity::thousandths(line.quantity)));
        }
        let movement = Movement::Order { number: order.number, hook, at: now, lines };
        self.batch().put(key, Expect::Absent, &movement, now);
    }
}
