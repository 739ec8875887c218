//! Sends an order to be agreed on: because its client presses the button, or
//! because money for it was taken.

use tillgate_store::unit::Run;
use tillgate_store::{Batch, CommitError, Unavailable, Versioned};

use super::Orders;
use super::asked::Change;
use super::change::Outcome;
use super::shop_order::{Processed, ShopOrder, Status};
use crate::Refusal;
use crate::bus::{Envelope, Incoming, NotTaken, Service, message_id, run_by};
use crate::formats::agreement::{OrderItem, RequestType};
use crate::formats::{MoneyCame, OrderToConfirm, PaymentNotWanted};
use crate::order_problem::OrderProblem;
use crate::username::ClientNumber;

/// The number of the message that sends an order to be agreed on.
const TO_CONFIRM: u32 = 8;

/// From here on they give payments back, by the number of the payment.
const NOT_WANTED: u32 = 1 << 20;

impl Orders {
    /// Sends a client's order to be agreed on. A repeated request changes
    /// nothing.
    ///
    /// # Errors
    /// When the order has another version or other lines, has nothing in it, is
    /// not new, or nothing is booked for it.
    pub async fn process(
        &self,
        client: ClientNumber,
        change: Change,
    ) -> Result<ShopOrder, Refusal> {
        let seen = self.order(client, &change.id).await?;
        if is_repeated(&seen, change.version) {
            return Ok(seen);
        }
        let booked = self.bookings.of(seen.id).await?;
        let decide = |order: ShopOrder| {
            if order.content.lines.is_empty() {
                return Err(OrderProblem::Empty);
            }
            let live = booked.as_ref().filter(|booked| {
                let is_held = booked.until.is_some_and(|until| until > self.clock.now());
                is_held && booked.version == order.version
            });
            let booked = live.ok_or(OrderProblem::HoldExpired)?;
            let at = self.clock.now();
            let processed = Processed { version: order.version, delivery_cost: booked.cost, at };
            Ok(Outcome::Changed(in_progress(order, processed)))
        };
        match self.change(client, &change, decide).await {
            // The same request came first, at the same moment.
            Err(Refusal::Order(problem @ OrderProblem::StaleVersion(_))) => {
                let order = self.order(client, &change.id).await?;
                let is_done = is_repeated(&order, change.version);
                if is_done { Ok(order) } else { Err(Refusal::Order(problem)) }
            }
            outcome => outcome,
        }
    }

    /// Money for an order was taken: the order goes on, as if its client had
    /// pressed the button. Money for an order that has changed, or is over,
    /// goes back.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(super) async fn take_money(
        &self,
        came: &MoneyCame,
        message: &Incoming<'_>,
    ) -> Result<(), NotTaken> {
        let key = ShopOrder::key_of(came.order_id);
        let work = |_| async move {
            let Some(stored) = self.store.read::<ShopOrder>(key).await? else {
                return Ok(Run::Commit(self.not_wanted(came), ()));
            };
            if stored.processed.as_ref().is_some_and(|one| one.version == came.version) {
                return Ok(Run::Unchanged(()));
            }
            if stored.status != Status::New || stored.version != came.version {
                return Ok(Run::Commit(self.not_wanted(came), ()));
            }
            let processed = Processed {
                version: came.version,
                delivery_cost: came.delivery_cost,
                at: self.clock.now(),
            };
            let next = in_progress((*stored).clone(), processed);
            Ok::<_, Unavailable>(Run::Commit(self.written(stored, next), ()))
        };
        Ok(run_by(Some(message), &self.store, work).await?)
    }

    /// A batch that sends the payment back.
    fn not_wanted(&self, came: &MoneyCame) -> Batch {
        let (order_id, attempt) = (came.order_id, came.attempt);
        let number = NOT_WANTED + attempt;
        let id = message_id(Service::Order, order_id.partition(), number);
        let content = PaymentNotWanted { order_id, attempt };
        let mut batch = Batch::new();
        let now = self.clock.now();
        batch.send(Envelope::message(Service::Payment, id, &content, &self.keys, now));
        batch
    }

    /// Stages the message that an order is to be agreed on, which is so once.
    pub(super) fn send_to_confirm(&self, order: &ShopOrder, batch: &mut Batch) {
        self.send_to_orchestra(order, RequestType::Confirm, TO_CONFIRM, batch);
    }

    pub(super) fn send_to_orchestra(
        &self,
        order: &ShopOrder,
        request_type: RequestType,
        number: u32,
        batch: &mut Batch,
    ) {
        let Some(processed) = &order.processed else { return };
        let item = |line: &super::content::Line| OrderItem {
            id: line.id,
            product_id: line.product,
            product_name: line.name.clone(),
            product_price: line.price,
            quantity: line.quantity,
            article: line.article.clone(),
        };
        let order_items = match request_type {
            RequestType::Confirm => order.content.lines.iter().map(item).collect(),
            RequestType::Reverse => Vec::new(),
        };
        let content = OrderToConfirm {
            order_id: order.id,
            request_type,
            version: processed.version,
            user_name: order.username.as_str().to_owned(),
            order_items,
            total: order.total(),
            delivery_cost: processed.delivery_cost,
        };
        let id = message_id(Service::Order, order.id.partition(), number);
        let now = self.clock.now();
        batch.send(Envelope::message(Service::Orchestra, id, &content, &self.keys, now));
    }

    /// Changes an order that messages are about. An order that is not there is
    /// left alone.
    pub(super) async fn change_by_message(
        &self,
        message: &Incoming<'_>,
        id: crate::order_id::OrderId,
        decide: impl Fn(&ShopOrder) -> Option<ShopOrder> + Sync,
    ) -> Result<(), CommitError> {
        let (key, decide) = (ShopOrder::key_of(id), &decide);
        let work = |_| async move {
            let stored: Option<Versioned<ShopOrder>> = self.store.read(key).await?;
            let Some(stored) = stored else { return Ok(Run::Unchanged(())) };
            let Some(next) = decide(&stored) else { return Ok(Run::Unchanged(())) };
            Ok::<_, Unavailable>(Run::Commit(self.written(stored, next), ()))
        };
        run_by(Some(message), &self.store, work).await
    }
}

/// Whether the order was sent to be agreed on at this version.
fn is_repeated(order: &ShopOrder, version: u64) -> bool {
    order.processed.as_ref().is_some_and(|one| one.version == version)
}

fn in_progress(mut order: ShopOrder, processed: Processed) -> ShopOrder {
    order.status = Status::InProgress;
    order.version += 1;
    order.processed = Some(processed);
    order
}
