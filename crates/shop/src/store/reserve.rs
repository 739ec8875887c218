//! Takes goods for a client who is about to pay.

use tillgate_kernel::Timestamp;

use super::StockKeeper;
use super::hold::{HeldLine, Hold, summed};
use crate::Refusal;
use crate::client_orders::{ClientOrder, OrderLine};
use crate::order_id::OrderId;
use crate::order_problem::{OrderProblem, ShortLine};
use crate::outlets::Outlet;
use crate::product_id::ProductId;
use crate::reservation::take::Taken;
use crate::service_client::Caller;
use crate::stock_levels;

/// How often it is tried to hold goods that are given back in that moment.
const SHORT_ATTEMPTS: u32 = 5;

/// The lines of an order at a version.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub order: OrderId,
    pub version: u64,
    pub lines: Vec<HeldLine>,
    /// The outlets that sell all of it, if not all do.
    pub sold_at: Option<Vec<u32>>,
}

impl StockKeeper {
    /// What a client's order wants of an outlet, at the version that the client
    /// has seen.
    ///
    /// # Errors
    /// When it is another client's, has another version, is not new, or has
    /// something that is not sold there now.
    pub async fn wanted(
        &self,
        client: &Caller,
        id: &str,
        version: u64,
        outlet: u64,
    ) -> Result<(Wanted, Outlet), Refusal> {
        let ClientOrder { id, version, lines, total: _ } =
            self.orders.at(client, id, version).await?;
        let outlets = self.outlets().await?;
        let outlet = outlets.outlet(outlet).cloned().ok_or(Refusal::NotFound)?;
        let prices = self.prices.of(lines.iter().map(|line| line.product)).await?;
        let sells = |outlet: u32, product: &ProductId| {
            let limit = prices.get(product).and_then(|price| price.outlets.as_ref());
            limit.is_none_or(|outlets| outlets.contains(&outlet))
        };
        let sells_all = |one: &&Outlet| lines.iter().all(|line| sells(one.id, &line.product));
        let sold_at: Vec<u32> = outlets.all.iter().filter(sells_all).map(|one| one.id).collect();
        if let Some(line) = lines.iter().find(|line| !sells(outlet.id, &line.product)) {
            let (name, outlets) = (line.name.clone(), sold_at);
            return Err(Refusal::Order(OrderProblem::NotSoldThere { name, outlets }));
        }
        let sold_at = Some(sold_at).filter(|some| some.len() < outlets.all.len());
        let line = |OrderLine { product, name, pieces, price: _ }| {
            let Some(price) = prices.get(&product) else {
                return Err(OrderProblem::NotOnSale(name));
            };
            price.can_be_bought(pieces)?;
            Ok(HeldLine { product, article: price.article.clone(), name, pieces })
        };
        let lines = lines.into_iter().map(line).collect::<Result<Vec<_>, _>>();
        let lines = summed(lines.map_err(Refusal::Order)?);
        Ok((Wanted { order: id, version, lines, sold_at }, outlet))
    }

    /// Holds all lines of an order in one outlet, or none. If something is held
    /// for the order already, only the difference is taken or given back.
    /// Returns until when it is held.
    ///
    /// # Errors
    /// When there is too little, or the order has been sold or reversed.
    pub async fn reserve(&self, wanted: &Wanted, outlet: &Outlet) -> Result<Timestamp, Refusal> {
        let hold = |state, taken_at| Hold {
            order: wanted.order,
            state,
            version: wanted.version,
            outlet: outlet.id,
            stock: outlet.stock.clone(),
            lines: wanted.lines.clone(),
            taken_at,
            picking: None,
        };
        for _ in 0..SHORT_ATTEMPTS {
            match self.holds.take(wanted.order, wanted.version, hold).await? {
                Taken::Until(until) => return Ok(until),
                Taken::Short => {}
            }
            if let Some(problem) = self.short(wanted, outlet).await? {
                return Err(Refusal::Order(problem));
            }
        }
        Err(Refusal::Busy)
    }

    /// What there is too little of, and where there is enough; nothing if
    /// something was given back in this moment.
    pub(super) async fn short(
        &self,
        wanted: &Wanted,
        outlet: &Outlet,
    ) -> Result<Option<OrderProblem>, Refusal> {
        let outlets = self.outlets().await?;
        let hold = self.holds.of(wanted.order).await?;
        let own = |stock: &str, article: &str| {
            let hold = hold.as_ref().filter(|hold| hold.stock == stock)?;
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
        let may_sell =
            |outlet: &&Outlet| wanted.sold_at.as_ref().is_none_or(|some| some.contains(&outlet.id));
        let outlets = (0..here).filter(has_all).filter_map(|place| all.get(place));
        let outlets = outlets.filter(may_sell).map(|outlet| outlet.id).collect();
        Ok(Some(OrderProblem::Short { lines, outlets }))
    }
}
