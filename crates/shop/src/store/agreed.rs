//! The store's part in the agreement on an order.

use tillgate_store::unit::{Run, run};
use tillgate_store::{CommitError, Unavailable};

use super::StockKeeper;
use super::hold::{HeldLine, Hold, Picking, summed};
use super::reserve::Wanted;
use crate::Refusal;
use crate::bus::{Consumer, Format, Incoming, NotTaken, Service, Unreadable, run_by};
use crate::formats::agreement::{OrderItem, Reason, Response, ShortItem};
use crate::formats::{ConfirmRequest, OrderCanceled, OrderDecision};
use crate::order_id::OrderId;
use crate::order_problem::{OrderProblem, ShortLine};
use crate::reservation::participant::Participant;
use crate::reservation::{Reservation, State};

impl Consumer for StockKeeper {
    const SERVICE: Service = Service::Store;

    async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        match message.envelope.format {
            ConfirmRequest::NUMBER => self.answer(&message.read()?, message).await,
            OrderDecision::NUMBER => {
                let decision: OrderDecision = message.read()?;
                match decision.response {
                    Response::Success => Ok(self.let_pick(decision.order_id, message).await?),
                    Response::Fail => Ok(()),
                }
            }
            OrderCanceled::NUMBER => self.holds.take_canceled(message).await,
            other => Err(Unreadable::Format(other).into()),
        }
    }
}

impl StockKeeper {
    async fn answer(
        &self,
        request: &ConfirmRequest,
        message: &Incoming<'_>,
    ) -> Result<(), NotTaken> {
        let wanted = wanted(request);
        let participant = Participant {
            service: Service::Store,
            reason: Reason::InsufficientStock,
            keys: &self.keys,
            message: Some(message),
        };
        let may_be_withdrawn = |hold: &Hold| !matches!(hold.picking, Some(Picking::Begun { .. }));
        let short = || self.short_items(&wanted);
        self.holds.answer(request, &participant, sold(&wanted), may_be_withdrawn, short).await
    }

    /// What there is too little of now, in the outlet where it was held. Empty
    /// if something was given back in this moment.
    async fn short_items(&self, wanted: &Wanted) -> Result<Vec<ShortItem>, NotTaken> {
        let hold = self.holds.of(wanted.order).await?;
        let outlets = self.outlets().await?;
        let outlet = hold.and_then(|hold| outlets.outlet(u64::from(hold.outlet)).cloned());
        let Some(outlet) = outlet else { return Ok(Vec::new()) };
        let problem = self.short(wanted, &outlet).await?;
        let Some(OrderProblem::Short { lines, .. }) = problem else { return Ok(Vec::new()) };
        let item = |ShortLine { product, name, wanted, available }| ShortItem {
            product_id: product,
            product_name: name,
            wanted,
            available,
        };
        Ok(lines.into_iter().map(item).collect())
    }

    /// The order is agreed on: it can be picked.
    async fn let_pick(&self, order: OrderId, message: &Incoming<'_>) -> Result<(), CommitError> {
        let work = |_| async move {
            let Some(stored) = self.store.read::<Hold>(Hold::key_of(order)).await? else {
                return Ok(Run::Unchanged(()));
            };
            if stored.state != State::Confirmed || stored.picking.is_some() {
                return Ok(Run::Unchanged(()));
            }
            let next = Hold { picking: Some(Picking::Waiting), ..(*stored).clone() };
            Ok::<_, Unavailable>(Run::Commit(self.holds.replaced(stored, next), ()))
        };
        run_by(Some(message), &self.store, work).await
    }

    /// Begins to pick an order. A repeated request changes nothing.
    ///
    /// # Errors
    /// When it is not agreed on, or the store cannot be used.
    pub async fn begin_picking(&self, order: OrderId) -> Result<(), Refusal> {
        let work = |_| async move {
            let Some(stored) = self.store.read::<Hold>(Hold::key_of(order)).await? else {
                return Ok(Run::Unchanged(Err(Refusal::NotFound)));
            };
            match stored.picking {
                Some(Picking::Waiting) => {}
                Some(Picking::Begun { .. }) => return Ok(Run::Unchanged(Ok(()))),
                None => {
                    let problem = OrderProblem::NotAgreedOn;
                    return Ok(Run::Unchanged(Err(Refusal::Order(problem))));
                }
            }
            let picking = Some(Picking::Begun { at: self.clock.now() });
            let next = Hold { picking, ..(*stored).clone() };
            Ok::<_, Unavailable>(Run::Commit(self.holds.replaced(stored, next), Ok(())))
        };
        let (outcome, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        outcome
    }
}

/// What becomes of a hold when its goods are sold.
pub fn sold(wanted: &Wanted) -> impl Fn(&Hold) -> Option<Hold> {
    |hold| {
        let (state, lines) = (State::Confirmed, wanted.lines.clone());
        Some(Hold { state, version: wanted.version, lines, ..hold.clone() })
    }
}

/// What a request wants of the goods.
fn wanted(request: &ConfirmRequest) -> Wanted {
    let line = |item: &OrderItem| HeldLine {
        product: item.product_id,
        article: item.article.clone(),
        name: item.product_name.clone(),
        pieces: item.quantity,
    };
    Wanted {
        order: request.order_id,
        version: request.version,
        lines: summed(request.order_items.iter().map(line).collect()),
        sold_at: None,
    }
}
