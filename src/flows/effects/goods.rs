//! Messages to pickers, and movements of stock.

use crate::notify;
use std::time::Duration;

use super::super::transaction::Transaction;
use crate::kernel::DocKey;
use crate::kernel::Document;
use crate::kernel::{HookId, Quantity};
use crate::notify::{PickerMessage, Subject, render};
use crate::orders::{Announcement, Fact, Movement, MovementLine, Order, StockLevels};
use crate::outbox::Message;
use crate::store::{CounterChange, CounterKey, Expect};

impl Transaction<'_> {
    /// Sends a message to the pickers of a store. This increases the message
    /// count of the order, so the caller must write the order.
    pub(in crate::flows) fn notify_pickers(
        &mut self,
        order: &mut Order,
        announcement: &Announcement,
    ) {
        let audience = &self.services.audience;
        let store_id = announcement.store_id();
        let Some(chat) = audience.chat_of(store_id) else {
            self.note_fact(&Fact::NobodyToTell { store_id: store_id.to_owned() });
            return;
        };
        let id = order.next_message();
        let subject = Subject { external_id: &order.external_id, message: id };
        let text = render(audience.language, subject, announcement);
        let message = PickerMessage { store_id: store_id.to_owned(), text };
        let body = serde_json::to_string(&message).unwrap_or_default();
        let (queue, created_at, wait) = (chat.to_owned(), self.now, Duration::ZERO);
        self.send(Message { id, lane: notify::LANE, queue, body, created_at, wait });
        self.note_fact(&Fact::Announced { message: id });
    }

    /// Promises an order what it wants while it is open, and takes back what
    /// it does not want any more, so that the shop does not sell it. A source
    /// that does not hold stock promises nothing.
    pub(in crate::flows) fn promise_stock(&mut self, order: &mut Order) {
        let holds_stock = self.services.stock_holders.contains(&order.source);
        if !holds_stock && order.promised.is_empty() {
            return;
        }
        let wanted = if holds_stock { order.wanted_goods() } else { StockLevels::default() };
        for line in order.promised.lines_towards(&wanted) {
            let counter = CounterKey::promised(&line.store_id, line.sku);
            self.batch().bump(counter, CounterChange::Add(Quantity::thousandths(line.quantity)));
        }
        order.promised = wanted;
    }

    /// Moves goods out of the balances of stores, or back: the latest movement
    /// of the order, which `hook` has caused.
    pub(in crate::flows) fn move_stock(
        &mut self,
        order: &Order,
        hook: HookId,
        lines: Vec<MovementLine>,
    ) {
        if lines.is_empty() {
            return;
        }
        let now = self.now;
        let partition = order.number.partition();
        let key = DocKey { partition, kind: Movement::KIND, id: u128::from(order.movements) };
        for line in &lines {
            let counter = CounterKey::named(&line.store_id, line.sku.clone());
            self.batch().bump(counter, CounterChange::Add(Quantity::thousandths(line.quantity)));
        }
        let movement = Movement::Order { number: order.number, hook, at: now, lines };
        self.batch().put(key, Expect::Absent, &movement, now);
    }
}
