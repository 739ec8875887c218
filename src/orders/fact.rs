//! What a hook changed, for the journal.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::event::EventKind;
use super::fold::State;
use super::stock::MovementLine;
use crate::kernel::{LocalTime, MessageId, Money, Quantity};

/// One thing that came of a hook. Past tense: it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The order came to be.
    Created {
        /// Its lines.
        positions: usize,
        /// Its sum.
        total: Option<Money>,
    },
    /// There is a new revision of its content.
    Revised {
        /// Which.
        revision: u32,
    },
    /// The amount of an article changed.
    PositionChanged {
        /// The article.
        sku: String,
        /// From.
        from: Quantity,
        /// To; none when the new number could not be read.
        to: Option<Quantity>,
        /// What stands in for it, if that is new.
        replaced_by: Option<String>,
    },
    /// It is wanted at another time.
    WindowChanged {
        /// Not before.
        from: Option<LocalTime>,
        /// Not after.
        to: Option<LocalTime>,
    },
    /// Another shop is to pick it.
    StoreChanged {
        /// Which.
        store_id: String,
    },
    /// The sum changed.
    TotalChanged {
        /// From.
        from: Option<Money>,
        /// To.
        to: Option<Money>,
    },
    /// The sum with discounts changed.
    DiscountTotalChanged {
        /// From.
        from: Option<Money>,
        /// To.
        to: Option<Money>,
    },
    /// Customer, address, comment or something unknown changed; the raw hook has it.
    DetailsChanged,
    /// Its state changed.
    StateChanged {
        /// From.
        from: State,
        /// To.
        to: State,
    },
    /// Goods moved.
    StockMoved {
        /// Which.
        lines: Vec<MovementLine>,
    },
    /// A hook that had been parked was taken in.
    Unparked {
        /// Of which kind.
        kind: EventKind,
    },
    /// Pickers will be told.
    Announced {
        /// By which message.
        message: MessageId,
    },
    /// Pickers would have been told, but no chat is configured for the shop.
    NobodyToTell {
        /// Which shop.
        store_id: String,
    },
    /// The buyer will be asked for money.
    PaymentPlanned {
        /// By which payment.
        payment: String,
        /// How much.
        amount: Money,
    },
    /// Money came.
    MoneyCame {
        /// By which payment.
        payment: String,
        /// How much.
        amount: Money,
    },
    /// A person should look.
    Attention {
        /// At what.
        text: String,
    },
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum =
            |money: &Option<Money>| money.map_or_else(|| "unknown".to_owned(), |money| money.to_string());
        match self {
            Fact::Created { positions, total } => {
                write!(f, "created with {positions} positions, total {}", sum(total))
            }
            Fact::Revised { revision } => write!(f, "revision {revision}"),
            Fact::PositionChanged { sku, from, to, replaced_by } => {
                match to {
                    Some(to) => write!(f, "{sku}: {from} → {to}")?,
                    None => write!(f, "{sku}: {from} → a quantity that cannot be read")?,
                }
                replaced_by.as_ref().map_or(Ok(()), |by| write!(f, ", replaced by {by}"))
            }
            Fact::WindowChanged { from, to } => {
                let end =
                    |time: &Option<LocalTime>| time.map_or_else(|| "…".to_owned(), |time| time.to_string());
                write!(f, "wanted {} – {}", end(from), end(to))
            }
            Fact::StoreChanged { store_id } => write!(f, "moved to store {store_id}"),
            Fact::TotalChanged { from, to } => write!(f, "total {} → {}", sum(from), sum(to)),
            Fact::DiscountTotalChanged { from, to } => {
                write!(f, "total with discounts {} → {}", sum(from), sum(to))
            }
            Fact::DetailsChanged => f.write_str("customer, address, comment or other details changed"),
            Fact::StateChanged { from, to } => write!(f, "{from} → {to}"),
            Fact::StockMoved { lines } => {
                f.write_str("stock:")?;
                lines.iter().try_for_each(|line| {
                    write!(f, " {}/{} {:+}", line.store_id, line.sku, Signed(line.quantity))
                })
            }
            Fact::Unparked { kind } => write!(f, "a parked {kind} hook was taken in"),
            Fact::Announced { message } => write!(f, "pickers told by message {message}"),
            Fact::NobodyToTell { store_id } => {
                write!(f, "no chat is configured for store {store_id:?}: nobody was told")
            }
            Fact::PaymentPlanned { payment, amount } => {
                write!(f, "payment {payment} of {amount} will be asked for")
            }
            Fact::MoneyCame { payment, amount } => write!(f, "{amount} came by payment {payment}"),
            Fact::Attention { text } => write!(f, "attention: {text}"),
        }
    }
}

/// A quantity that shows its plus.
struct Signed(Quantity);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plus = if self.0 > Quantity::ZERO { "+" } else { "" };
        write!(f, "{plus}{}", self.0)
    }
}
