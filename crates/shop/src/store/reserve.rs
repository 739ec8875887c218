//! The use cases that take goods for a client who is about to pay, and give
//! them back.

use http::{Method, StatusCode};
use serde::Deserialize;
use tillgate_kernel::Timestamp;
use tillgate_kernel::time::later;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CommitError, Unavailable, Versioned};

use super::goods::{stage, summed};
use super::hold::{HeldLine, Hold, State};
use super::{HELD_AT_MOST, StockKeeper};
use crate::Refusal;
use crate::order_id::OrderId;
use crate::order_problem::{OrderProblem, ShortLine};
use crate::outlets::Outlet;
use crate::product_id::ProductId;
use crate::service_client::Caller;
use crate::stock_levels;

/// How often it is tried to hold goods that are given back in that moment.
const SHORT_ATTEMPTS: u32 = 5;

/// The status of an order that can be changed, in the contract of orders.
const NEW: &str = "NEW";

/// The lines of an order at a version.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub order: OrderId,
    pub version: u64,
    pub lines: Vec<HeldLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    id: String,
    status: String,
    version: u64,
    order_items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    product: Product,
    quantity: u64,
}

#[derive(Deserialize)]
struct Product {
    id: ProductId,
    name: String,
}

impl StockKeeper {
    /// The number of a client's order.
    ///
    /// # Errors
    /// When there is none, or it is another client's.
    pub async fn order_of(&self, client: &Caller, id: &str) -> Result<OrderId, Refusal> {
        let order = self.ask_for(client, id).await?;
        OrderId::parse(&order.id).ok_or(Refusal::Unavailable)
    }

    async fn ask_for(&self, client: &Caller, id: &str) -> Result<Order, Refusal> {
        // An id of an order has no letter that an address may not have, or
        // there is no such order.
        if !id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
            return Err(Refusal::NotFound);
        }
        let path = format!("/get?orderId={id}");
        let reply = self.orders.call(Method::GET, &path, client, None).await?;
        match reply.status {
            StatusCode::OK => reply.read(),
            StatusCode::UNAUTHORIZED => Err(Refusal::NoSession),
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Err(Refusal::NotFound),
            _ => Err(Refusal::Unavailable),
        }
    }

    /// What a client's order wants, at the version that the client has seen.
    ///
    /// # Errors
    /// When it is another client's, has another version, or is not new.
    pub async fn wanted(&self, client: &Caller, id: &str, version: u64) -> Result<Wanted, Refusal> {
        let order = self.ask_for(client, id).await?;
        let id = OrderId::parse(&order.id).ok_or(Refusal::Unavailable)?;
        if order.version != version {
            return Err(Refusal::Order(OrderProblem::StaleVersion(order.version)));
        }
        if order.status != NEW {
            return Err(Refusal::Order(OrderProblem::Status(order.status)));
        }
        if order.order_items.is_empty() {
            return Err(Refusal::Order(OrderProblem::Empty));
        }
        let products = order.order_items.iter().map(|item| item.product.id);
        let prices = self.prices.of(products).await?;
        let line = |item: Item| {
            let product = item.product.id;
            let price = prices.get(&product).filter(|price| price.is_on_sale);
            let name = item.product.name;
            let Some(price) = price else {
                return Err(Refusal::Order(OrderProblem::NotOnSale(name)));
            };
            Ok(HeldLine { product, article: price.article.clone(), name, pieces: item.quantity })
        };
        let lines = order.order_items.into_iter().map(line).collect::<Result<Vec<_>, _>>()?;
        Ok(Wanted { order: id, version, lines: summed(lines) })
    }

    /// Holds all lines of an order in one outlet, or none. If something is held
    /// for the order already, only the difference is taken or given back.
    /// Returns until when it is held.
    ///
    /// # Errors
    /// When there is too little, or the order has been sold or reversed.
    pub async fn reserve(&self, wanted: &Wanted, outlet: &Outlet) -> Result<Timestamp, Refusal> {
        let key = Hold::key_of(wanted.order);
        let work = |_| async move {
            let stored = self.store.read::<Hold>(key).await?;
            let now = self.clock.now();
            let refused = |problem| Ok(Run::Unchanged(Err(Refusal::Order(problem))));
            let taken_at = match stored.as_deref() {
                Some(Hold { state: State::Confirmed, .. }) => {
                    return refused(OrderProblem::Status("IN_PROGRESS".into()));
                }
                Some(Hold { state: State::Reversed, .. }) => {
                    return refused(OrderProblem::Status("FAILED".into()));
                }
                // The order was read before: a later request may have come
                // first.
                Some(hold) if hold.version > wanted.version => {
                    return refused(OrderProblem::StaleVersion(hold.version));
                }
                Some(hold @ Hold { state: State::Preliminary { .. }, .. }) => hold.taken_at,
                Some(Hold { state: State::Released, .. }) | None => now,
            };
            let until = later(now, self.hold_for).min(later(taken_at, HELD_AT_MOST));
            if until <= now {
                return refused(OrderProblem::HoldExpired);
            }
            let hold = Hold {
                order: wanted.order,
                state: State::Preliminary { until },
                version: wanted.version,
                outlet: outlet.id,
                stock: outlet.stock.clone(),
                lines: wanted.lines.clone(),
                taken_at,
            };
            let batch = self.written(stored, hold, now);
            Ok::<_, Unavailable>(Run::Commit(batch, Ok(until)))
        };
        for _ in 0..SHORT_ATTEMPTS {
            match run(&self.store, work).await {
                Ok((outcome, _)) => return outcome,
                Err(CommitError::Short { .. }) => {}
                Err(why) => return Err(Refusal::of_commit(why)),
            }
            if let Some(problem) = self.short(wanted, outlet).await? {
                return Err(Refusal::Order(problem));
            }
        }
        Err(Refusal::Busy)
    }

    /// A batch that replaces what is stored by a hold.
    pub(super) fn written(
        &self,
        stored: Option<Versioned<Hold>>,
        hold: Hold,
        now: Timestamp,
    ) -> Batch {
        let mut batch = Batch::new();
        stage(&mut batch, stored.as_deref(), &hold);
        let (key, listed_at) = (Hold::key_of(hold.order), hold.listed_at(now));
        let mut written = match stored {
            Some(stored) => stored.replaced(hold),
            None => Versioned::new(hold, listed_at),
        };
        written.list_at(listed_at);
        written.stage_at(key, &mut batch);
        batch
    }

    /// What there is too little of, and where there is enough; nothing if
    /// something was given back in this moment.
    async fn short(
        &self,
        wanted: &Wanted,
        outlet: &Outlet,
    ) -> Result<Option<OrderProblem>, Refusal> {
        let outlets = self.outlets().await?;
        let hold = self.store.read::<Hold>(Hold::key_of(wanted.order)).await?;
        let own = |stock: &str, article: &str| {
            let hold = hold.as_deref().filter(|hold| hold.stock == stock)?;
            hold.lines.iter().find(|line| line.article == article).map(|line| line.pieces)
        };
        let articles: Vec<&str> = wanted.lines.iter().map(|line| line.article.as_str()).collect();
        let all: Vec<Outlet> =
            outlets.all.iter().filter(|one| one.id != outlet.id).chain([outlet]).cloned().collect();
        let free = stock_levels::free_with_debts(&self.store, &all, &articles).await?;
        let available = |place: usize, line: usize| {
            let free = free.get(line).and_then(|free| free.get(place)).copied().unwrap_or(0);
            let (outlet, line) = (all.get(place), wanted.lines.get(line));
            let own = outlet.zip(line).and_then(|(one, line)| own(&one.stock, &line.article));
            u64::try_from(free.saturating_add_unsigned(own.unwrap_or(0))).unwrap_or(0)
        };
        let here = all.len() - 1;
        let short = wanted.lines.iter().enumerate().filter_map(|(number, line)| {
            let available = available(here, number);
            (available < line.pieces).then(|| ShortLine {
                product: line.product,
                name: line.name.clone(),
                wanted: line.pieces,
                available,
            })
        });
        let lines: Vec<ShortLine> = short.collect();
        if lines.is_empty() {
            return Ok(None);
        }
        let has_all = |place: &usize| {
            let mut lines = wanted.lines.iter().enumerate();
            lines.all(|(number, line)| available(*place, number) >= line.pieces)
        };
        let outlets = (0..here).filter(has_all).filter_map(|place| all.get(place));
        let outlets = outlets.map(|outlet| outlet.id).collect();
        Ok(Some(OrderProblem::Short { lines, outlets }))
    }

    /// Gives back what is held for an order that is not sold.
    ///
    /// # Errors
    /// When it is sold, or the store cannot be used.
    pub async fn release(&self, order: OrderId) -> Result<(), Refusal> {
        let work = |_| async move {
            let Some(stored) = self.store.read::<Hold>(Hold::key_of(order)).await? else {
                return Ok(Run::Unchanged(Ok(())));
            };
            match stored.state {
                State::Preliminary { .. } => {}
                State::Released | State::Reversed => return Ok(Run::Unchanged(Ok(()))),
                State::Confirmed => {
                    let problem = OrderProblem::Status("IN_PROGRESS".into());
                    return Ok(Run::Unchanged(Err(Refusal::Order(problem))));
                }
            }
            let hold = Hold { state: State::Released, lines: Vec::new(), ..(*stored).clone() };
            let batch = self.written(Some(stored), hold, self.clock.now());
            Ok::<_, Unavailable>(Run::Commit(batch, Ok(())))
        };
        let (outcome, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        outcome
    }
}
