//! The use cases that change an order at the version that the caller has seen.

use std::time::Duration;

use tillgate_kernel::time::earlier;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CounterChange, Unavailable, Versioned};

use super::Orders;
use super::asked::Change;
use super::shop_order::{ShopOrder, Status};
use crate::Refusal;
use crate::order_problem::OrderProblem;
use crate::product_id::ProductId;
use crate::username::ClientNumber;

/// How long a client may rely on the prices of a version.
pub const PRICE_LOCK: Duration = Duration::from_secs(15 * 60);

/// What an order becomes.
pub(super) enum Outcome {
    /// This order, which the caller is answered with.
    Changed(ShopOrder),
    /// This order, and why it is not what was asked for.
    ChangedAndRefused(ShopOrder, OrderProblem),
    Same,
}

impl Orders {
    /// Sets quantities of products; 0 removes one.
    ///
    /// # Errors
    /// When the order has another version, is not new, or a product is not
    /// sold.
    pub async fn adjust(&self, client: ClientNumber, change: Change) -> Result<ShopOrder, Refusal> {
        let wanted = &change.wanted;
        let seen = self.order(client, &change.id).await?;
        let products = seen.content.lines.iter().map(|line| line.product);
        let products: Vec<ProductId> =
            products.chain(wanted.iter().map(|one| one.product)).collect();
        let prices = self.prices.of(products).await?;
        let decide = |mut order: ShopOrder| {
            let before = order.content.clone();
            order.content.set(wanted, &prices)?;
            if order.content == before {
                return Ok(Outcome::Same);
            }
            order.version += 1;
            order.priced_at = self.clock.now();
            Ok(Outcome::Changed(order))
        };
        self.change(client, &change, decide).await
    }

    /// Looks at the prices again, if the lock of the version has run out.
    /// Cheaper ones are passed on; dearer ones are written as a new version,
    /// which the client must agree to.
    ///
    /// # Errors
    /// When the order is empty, something has become dearer or is not sold, or
    /// the order has another version.
    pub async fn check(&self, client: ClientNumber, change: Change) -> Result<ShopOrder, Refusal> {
        let seen = self.order(client, &change.id).await?;
        let prices = self.prices.of(seen.content.lines.iter().map(|line| line.product)).await?;
        let now = self.clock.now();
        let decide = |mut order: ShopOrder| {
            if order.content.lines.is_empty() {
                return Err(OrderProblem::Empty);
            }
            if order.priced_at > earlier(now, PRICE_LOCK) {
                return Ok(Outcome::Same);
            }
            let before = order.content.clone();
            let lines = order.content.reprice(&prices)?;
            order.priced_at = now;
            if order.content != before {
                order.version += 1;
            }
            if lines.is_empty() {
                return Ok(Outcome::Changed(order));
            }
            let version = order.version;
            Ok(Outcome::ChangedAndRefused(order, OrderProblem::PricesChanged { version, lines }))
        };
        self.change(client, &change, decide).await
    }

    /// A batch that replaces an order.
    pub(super) fn written(&self, stored: Versioned<ShopOrder>, order: ShopOrder) -> Batch {
        let mut batch = Batch::new();
        match (stored.status, order.status) {
            // What was agreed on is given back by the agreement.
            (Status::New, Status::Canceled) => self.send_canceled(&mut batch, order.id),
            (Status::New, Status::InProgress) => self.send_to_confirm(&order, &mut batch),
            _ => {}
        }
        if stored.is_counted() && !order.is_counted() {
            batch.bump(ShopOrder::count_of_new(order.client), CounterChange::Add(-1));
        }
        stored.replaced(order.clone()).stage_at(ShopOrder::key_of(order.id), &mut batch);
        batch
    }

    pub(super) async fn change(
        &self,
        client: ClientNumber,
        change: &Change,
        decide: impl Fn(ShopOrder) -> Result<Outcome, OrderProblem>,
    ) -> Result<ShopOrder, Refusal> {
        let decide = &decide;
        let work = |_| async move {
            let Some(stored) = self.meant(client, &change.id).await? else {
                return Ok(Run::Unchanged(Err(Refusal::NotFound)));
            };
            let outcome = fits(&stored, change).and_then(|()| decide((*stored).clone()));
            let (order, answer) = match outcome {
                Ok(Outcome::Same) => return Ok(Run::Unchanged(Ok(stored.into_document()))),
                Ok(Outcome::Changed(order)) => (order.clone(), Ok(order)),
                Ok(Outcome::ChangedAndRefused(order, problem)) => {
                    (order, Err(Refusal::Order(problem)))
                }
                Err(problem) => return Ok(Run::Unchanged(Err(Refusal::Order(problem)))),
            };
            Ok::<_, Unavailable>(Run::Commit(self.written(stored, order), answer))
        };
        let (answer, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        answer
    }
}

/// Whether the order is what the caller thinks, and can be changed.
fn fits(order: &ShopOrder, change: &Change) -> Result<(), OrderProblem> {
    is_seen(order, change)?;
    if order.status == Status::New {
        Ok(())
    } else {
        Err(OrderProblem::Status(order.status.as_str().to_owned()))
    }
}

/// Whether the order is what the caller thinks.
pub(super) fn is_seen(order: &ShopOrder, change: &Change) -> Result<(), OrderProblem> {
    if order.version != change.version {
        return Err(OrderProblem::StaleVersion(order.version));
    }
    if change.seen.as_ref().is_some_and(|seen| !order.content.is(seen)) {
        return Err(OrderProblem::OtherItems(order.version));
    }
    if change.status.is_some_and(|status| status != order.status) {
        return Err(OrderProblem::Status(order.status.as_str().to_owned()));
    }
    Ok(())
}
