//! What can be done with a payment.

use serde::{Deserialize, Serialize};
use tillgate_kernel::Money;

use super::account_name::AccountName;
use crate::order_id::OrderId;

/// What can be done with a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verb {
    /// A payment system has brought money for a wallet.
    TopUp,
    /// The operator gives money to a wallet.
    Credit,
    /// A wallet or a card pays for an order.
    Hold,
    /// A payment system has brought money for an order.
    Receive,
    /// The order is agreed on: the money is earned.
    Confirm,
    /// Less was delivered: a part goes back.
    Short,
    /// All that is left goes back the way it came.
    Reverse,
    /// A payment system has paid back what was owed.
    Repaid,
}

/// The verbs of the HTTP contract.
pub const VERBS: [(Verb, &str); 7] = [
    (Verb::Hold, "HOLD"),
    (Verb::Confirm, "CONFIRM"),
    (Verb::Reverse, "REVERSE"),
    (Verb::TopUp, "TOP_UP"),
    (Verb::Receive, "RECEIVE"),
    (Verb::Repaid, "REPAID"),
    (Verb::Short, "SHORT"),
];

/// Their names.
pub const OPERATIONS: &[&str] = &names(VERBS);

const fn names<const COUNT: usize>(verbs: [(Verb, &'static str); COUNT]) -> [&'static str; COUNT] {
    let mut names = [""; COUNT];
    let mut place = 0;
    while place < COUNT {
        names[place] = verbs[place].1;
        place += 1;
    }
    names
}

/// The name of the operator's verb.
const CREDIT: &str = "CREDIT";

impl Verb {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let known = VERBS.iter().find(|(verb, _)| *verb == self);
        known.map_or(CREDIT, |(_, name)| name)
    }

    /// Whether a payment begins with it.
    #[must_use]
    pub const fn brings_money(self) -> bool {
        matches!(self, Verb::TopUp | Verb::Credit | Verb::Hold | Verb::Receive)
    }
}

/// Where the money of a payment comes from or goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A wallet or a card.
    Account(AccountName),
    /// A payment system, by its name.
    PaymentSystem(String),
}

/// A verb with all that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    TopUp {
        to: AccountName,
        system: String,
        amount: Money,
    },
    Credit {
        to: AccountName,
        amount: Money,
    },
    Hold {
        from: AccountName,
        order: OrderId,
        amount: Money,
    },
    Receive {
        system: String,
        order: OrderId,
        amount: Money,
    },
    Confirm {
        amount: Money,
    },
    Short {
        amount: Money,
    },
    /// The whole, if it says no sum.
    Reverse {
        amount: Option<Money>,
    },
    Repaid {
        refund: String,
        amount: Money,
    },
}

impl Instruction {
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Instruction::TopUp { .. } => Verb::TopUp,
            Instruction::Credit { .. } => Verb::Credit,
            Instruction::Hold { .. } => Verb::Hold,
            Instruction::Receive { .. } => Verb::Receive,
            Instruction::Confirm { .. } => Verb::Confirm,
            Instruction::Short { .. } => Verb::Short,
            Instruction::Reverse { .. } => Verb::Reverse,
            Instruction::Repaid { .. } => Verb::Repaid,
        }
    }
}

/// A part of a transfer: what an account gets, in kopecks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    pub account: AccountName,
    pub kopecks: i64,
}
