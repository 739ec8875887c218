//! The document of what is held for an order, and how it changes what an outlet
//! has promised: counters and floors, pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{Document, Kind, ListName, Timestamp, Unreadable};
use tillgate_store::{Batch, CounterChange, Floor};

use crate::order_id::OrderId;
use crate::product_id::ProductId;
use crate::reservation::{Reservation, State};
use crate::stock_levels::{PIECE, firm, held, on_hand, promised};

/// Goods of one product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldLine {
    pub product: ProductId,
    pub article: String,
    pub name: String,
    pub pieces: u64,
}

/// What is held for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub order: OrderId,
    pub state: State,
    /// The version of the order.
    pub version: u64,
    /// Where the goods are.
    pub outlet: u32,
    /// The name of that outlet's stock.
    pub stock: String,
    /// What is held; nothing after it was given back.
    pub lines: Vec<HeldLine>,
    /// When it was taken, and not given back since.
    pub taken_at: Timestamp,
    /// How far the picking is. Nothing before the order is agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picking: Option<Picking>,
}

/// How far the picking of an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Picking {
    /// It can begin.
    Waiting,
    /// It has begun: the order cannot be withdrawn any more.
    Begun { at: Timestamp },
}

impl Reservation for Hold {
    const PLURAL: &'static str = "holds";

    fn order(&self) -> OrderId {
        self.order
    }

    fn state(&self) -> State {
        self.state
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn taken_at(&self) -> Timestamp {
        self.taken_at
    }

    fn in_state(&self, state: State) -> Hold {
        let lines = if state.is_live() { self.lines.clone() } else { Vec::new() };
        let picking = self.picking.filter(|_| state.is_live());
        Hold { state, lines, picking, ..self.clone() }
    }

    fn tombstone(order: OrderId, now: Timestamp) -> Hold {
        Hold {
            order,
            state: State::Reversed,
            version: 0,
            outlet: 0,
            stock: String::new(),
            lines: Vec::new(),
            taken_at: now,
            picking: None,
        }
    }

    fn stage(batch: &mut Batch, from: Option<&Hold>, to: &Hold) {
        stage(batch, from, to);
    }
}

impl Document for Hold {
    const KIND: Kind = Kind::new(30, "holds");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        self.lists_of()
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Hold, Unreadable> {
        document::decode(schema, bytes)
    }
}

/// The pieces by stock and article, with a sign.
type Pieces = BTreeMap<(String, String), i64>;

fn add(pieces: &mut Pieces, hold: &Hold, sign: i64) {
    for line in &hold.lines {
        let key = (hold.stock.clone(), line.article.clone());
        let count = i64::try_from(line.pieces).unwrap_or(i64::MAX / PIECE);
        *pieces.entry(key).or_insert(0) += sign * count;
    }
}

fn difference(from: Option<&Hold>, to: &Hold) -> Pieces {
    let mut pieces = Pieces::new();
    if let Some(from) = from {
        add(&mut pieces, from, -1);
    }
    add(&mut pieces, to, 1);
    pieces.retain(|_, count| *count != 0);
    pieces
}

/// Of a hold, what of it is confirmed.
fn confirmed(hold: &Hold) -> Hold {
    let is_confirmed = hold.state == State::Confirmed;
    let lines = if is_confirmed { hold.lines.clone() } else { Vec::new() };
    Hold { lines, ..hold.clone() }
}

/// Stages what it takes to have `to` instead of `from`. What is taken in
/// addition must be there; giving back is never refused.
fn stage(batch: &mut Batch, from: Option<&Hold>, to: &Hold) {
    let taken = difference(from, to);
    for ((stock, article), pieces) in &taken {
        let (on_hand, held) = (on_hand(stock, article), held(stock, article));
        batch.bump(held.clone(), CounterChange::Add(pieces.saturating_mul(PIECE)));
        if *pieces > 0 {
            let minus = vec![held, promised(stock, article)];
            batch.floor(Floor { plus: vec![on_hand], minus, least: 0 });
        }
    }
    let sold = difference(from.map(confirmed).as_ref(), &confirmed(to));
    for ((stock, article), pieces) in &sold {
        let (on_hand, firm) = (on_hand(stock, article), firm(stock, article));
        batch.bump(firm.clone(), CounterChange::Add(pieces.saturating_mul(PIECE)));
        // A marketplace may have taken it from under the hold.
        if *pieces > 0 {
            batch.floor(Floor { plus: vec![on_hand], minus: vec![firm], least: 0 });
        }
    }
}

/// Lines of one article become one, in the order of the articles.
#[must_use]
pub fn summed(lines: Vec<HeldLine>) -> Vec<HeldLine> {
    let mut by_article: BTreeMap<String, HeldLine> = BTreeMap::new();
    for line in lines {
        let pieces = line.pieces;
        by_article
            .entry(line.article.clone())
            .and_modify(|known| known.pieces = known.pieces.saturating_add(pieces))
            .or_insert(line);
    }
    by_article.into_values().filter(|line| line.pieces > 0).collect()
}
