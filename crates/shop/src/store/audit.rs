//! What the holds are checked by on a live shop: all of them, and what the
//! counters say is promised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tillgate_kernel::Timestamp;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CounterChange, CounterKey, Cursor, Scan, Unavailable, Versioned};

use super::StockKeeper;
use super::hold::Hold;
use crate::Refusal;
use crate::order_problem::OrderProblem;
use crate::outlets::{Outlets, changes};
use crate::reservation::{Reservation, State};
use crate::stock_levels::{firm, held, on_hand};

/// How many holds or articles one page has.
pub const PAGE: usize = 500;

/// A hold with its goods.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Audited {
    pub order: String,
    pub stock: String,
    pub is_confirmed: bool,
    pub taken_at: Timestamp,
    /// Pieces by article.
    pub pieces: BTreeMap<String, u64>,
}

/// A page of the holds with goods.
#[derive(Debug, Serialize, Deserialize)]
pub struct Holds {
    pub items: Vec<Audited>,
    pub cursor: Option<String>,
}

/// What the shop has promised of an article, and for which orders.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    pub level: Level,
    /// The holds of it, as far as they were looked through.
    pub holds: Vec<Audited>,
    pub is_cut: bool,
}

/// How many pages of holds are looked through for one article.
const LOOKED_THROUGH_PAGES_MAX: usize = 20;

/// An article with what is promised of it, in thousandths of a piece.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Level {
    pub article: String,
    pub on_hand: i64,
    pub held: i64,
    pub firm: i64,
}

/// A page of the articles of which something is or was promised.
#[derive(Debug, Serialize, Deserialize)]
pub struct Promised {
    pub items: Vec<Level>,
    pub is_last: bool,
}

impl StockKeeper {
    /// A page of the holds with goods.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn holds(&self, after: Option<Cursor>) -> Result<Holds, Refusal> {
        let lists = vec![Hold::live()];
        let scan = Scan::Lists { lists, newest_first: false, after, limit: PAGE };
        let page = self.store.scan(&scan).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for (_, stored) in page.items {
            let hold: Hold = stored.document().map_err(Unavailable::from)?;
            let pieces = hold.lines.into_iter().map(|line| (line.article, line.pieces));
            items.push(Audited {
                order: hold.order.to_string(),
                stock: hold.stock,
                is_confirmed: hold.state == State::Confirmed,
                taken_at: hold.taken_at,
                pieces: pieces.collect(),
            });
        }
        Ok(Holds { items, cursor: page.next.map(|next| next.to_string()) })
    }

    /// A page of the articles of a stock after the one with this name.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn promised(&self, stock: &str, after: Option<&str>) -> Result<Promised, Refusal> {
        let counters = self.store.counters(&held(stock, "").group, after, PAGE).await?;
        let is_last = counters.len() < PAGE;
        let articles: Vec<String> = counters.into_iter().map(|(key, _)| key.name).collect();
        let each = articles.iter();
        let keys: Vec<CounterKey> = each
            .flat_map(|article| {
                [on_hand(stock, article), held(stock, article), firm(stock, article)]
            })
            .collect();
        let balances = self.store.balances(&keys).await?;
        let (balances, _) = balances.as_chunks::<3>();
        let level = |(article, [on_hand, held, firm]): (String, &[i64; 3])| Level {
            article,
            on_hand: *on_hand,
            held: *held,
            firm: *firm,
        };
        Ok(Promised { items: articles.into_iter().zip(balances).map(level).collect(), is_last })
    }

    /// Who has what of an article.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn taken(&self, stock: &str, article: &str) -> Result<Taken, Refusal> {
        let keys = [on_hand(stock, article), held(stock, article), firm(stock, article)];
        let balances = self.store.balances(&keys).await?;
        let (balances, _) = balances.as_chunks::<3>();
        let [on_hand, held, firm] = balances.first().copied().unwrap_or_default();
        let level = Level { article: article.to_owned(), on_hand, held, firm };
        let (mut holds, mut after) = (Vec::new(), None);
        for _ in 0..LOOKED_THROUGH_PAGES_MAX {
            let page = self.holds(after).await?;
            let is_it = |hold: &Audited| hold.stock == stock && hold.pieces.contains_key(article);
            holds.extend(page.items.into_iter().filter(is_it));
            let next = page.cursor.as_deref().map(str::parse);
            let Some(Ok(next)) = next else { return Ok(Taken { level, holds, is_cut: false }) };
            after = Some(next);
        }
        Ok(Taken { level, holds, is_cut: true })
    }

    /// Whether something is held of a stock.
    async fn has_holds(&self, stock: &str) -> Result<bool, Refusal> {
        let mut after: Option<String> = None;
        loop {
            let page = self.promised(stock, after.as_deref()).await?;
            if page.items.iter().any(|level| level.held != 0) {
                return Ok(true);
            }
            after = page.items.into_iter().next_back().map(|level| level.article);
            if page.is_last {
                return Ok(false);
            }
        }
    }

    /// Replaces the outlets.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn set_outlets(&self, outlets: Outlets) -> Result<(), Refusal> {
        let now = self.outlets().await?;
        let is_gone = |stock: &&str| outlets.all.iter().all(|outlet| outlet.stock != **stock);
        let gone = now.all.iter().map(|outlet| outlet.stock.as_str()).filter(is_gone);
        for stock in gone {
            if self.has_holds(stock).await? {
                return Err(Refusal::Order(OrderProblem::StockInUse(stock.to_owned())));
            }
        }
        let outlets = &outlets;
        let work = |_| async move {
            let stored = self.store.read::<Outlets>(Outlets::key()).await?;
            let written = match stored {
                Some(stored) => stored.replaced(outlets.clone()),
                None => Versioned::new(outlets.clone(), self.clock.now()),
            };
            let mut batch = Batch::new();
            written.stage_at(Outlets::key(), &mut batch);
            batch.bump(changes(), CounterChange::Add(1));
            Ok::<_, Unavailable>(Run::Commit(batch, ()))
        };
        run(&self.store, work).await.map(drop).map_err(Refusal::of_commit)
    }
}
