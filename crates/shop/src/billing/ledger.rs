//! The books, pure: accounts, verbs, and what each verb moves.
//!
//! An account is positive by what the shop owes, and negative by what it is
//! owed. What a verb takes from one account it gives to another, so that all
//! accounts together are zero at every moment. Nothing edits or deletes a
//! transfer: what is wrong is reversed.
//!
//! A payment begins with one transfer that brings money. It may then be
//! confirmed, shortened and reversed, each at most once:
//!
//! ```text
//! HOLD, RECEIVE ──▶ CONFIRM ──▶ SHORT
//!       └──────────────┴──────────┴──▶ REVERSE       TOP_UP, CREDIT: final
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tillgate_kernel::Money;
use tillgate_store::{CounterKey, Floor};

use super::account::TokenId;
use super::transfer::Transfer;
use crate::order_id::OrderId;
use crate::refusal::Stage;

/// The group of the counters that are the balances of accounts.
const GROUP: &str = "ledger";

/// An account of the books.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountName {
    /// A client's wallet.
    Wallet(TokenId),
    /// A gift card.
    GiftCard(TokenId),
    /// What was paid for an order that is not agreed on yet.
    Order(OrderId),
    /// What goes back through a payment system for an order.
    Owed(OrderId),
    /// What the shop has earned.
    Sales,
    /// What the shop has given to clients.
    Given,
    /// What a payment system has taken in for the shop.
    PaymentSystem(String),
}

impl AccountName {
    /// The counter that is its balance.
    #[must_use]
    pub fn counter(&self) -> CounterKey {
        CounterKey::internal(GROUP, self.to_string())
    }

    /// The group of all balances.
    #[must_use]
    pub fn group() -> String {
        CounterKey::internal_group(GROUP)
    }

    /// Whether it may not be below zero.
    #[must_use]
    pub const fn has_floor(&self) -> bool {
        match self {
            AccountName::Wallet(_)
            | AccountName::GiftCard(_)
            | AccountName::Order(_)
            | AccountName::Owed(_) => true,
            AccountName::Sales | AccountName::Given | AccountName::PaymentSystem(_) => false,
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountName::Wallet(token) => write!(f, "wallet:{token}"),
            AccountName::GiftCard(token) => write!(f, "card:{token}"),
            AccountName::Order(order) => write!(f, "order:{order}"),
            AccountName::Owed(order) => write!(f, "owed:{order}"),
            AccountName::Sales => f.write_str("sales"),
            AccountName::Given => f.write_str("given"),
            AccountName::PaymentSystem(name) => write!(f, "gateway:{name}"),
        }
    }
}

/// The text is not the name of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an account")]
pub struct NotAnAccount;

impl FromStr for AccountName {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> Result<AccountName, NotAnAccount> {
        let (kind, id) = text.split_once(':').unwrap_or((text, ""));
        let token = || TokenId::parse(id).ok_or(NotAnAccount);
        let order = || OrderId::parse(id).ok_or(NotAnAccount);
        match (kind, id.is_empty()) {
            ("wallet", _) => Ok(AccountName::Wallet(token()?)),
            ("card", _) => Ok(AccountName::GiftCard(token()?)),
            ("order", _) => Ok(AccountName::Order(order()?)),
            ("owed", _) => Ok(AccountName::Owed(order()?)),
            ("gateway", false) => Ok(AccountName::PaymentSystem(id.to_owned())),
            ("sales", true) => Ok(AccountName::Sales),
            ("given", true) => Ok(AccountName::Given),
            _ => Err(NotAnAccount),
        }
    }
}

impl Serialize for AccountName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AccountName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<AccountName, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

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

/// Moves a sum from one account to another.
fn moved(from: AccountName, to: AccountName, amount: Money) -> [Leg; 2] {
    let kopecks = amount.kopecks();
    [Leg { account: from, kopecks: -kopecks }, Leg { account: to, kopecks }]
}

/// The floors of these legs: no account is pushed below zero by what takes from
/// it. Accounts that get money are in floors too: their balance is then changed
/// at once, and nobody who spends it waits for a sum to be added up.
#[must_use]
pub fn floors(legs: &[Leg]) -> Vec<Floor> {
    let floored = legs.iter().filter(|leg| leg.account.has_floor());
    let floor = |leg: &Leg| Floor { plus: vec![leg.account.counter()], minus: vec![], least: 0 };
    floored.map(floor).collect()
}

/// What has been done with a payment.
#[derive(Debug, Default)]
pub struct Payment {
    /// The transfer that has brought its money.
    pub opening: Option<Transfer>,
    pub confirm: Option<Transfer>,
    pub short: Option<Transfer>,
    pub reverse: Option<Transfer>,
    /// What was paid back under the refund of the instruction.
    pub repaid: Option<Transfer>,
}

/// What an instruction leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// These legs are written.
    Move(Vec<Leg>),
    /// It was carried out before.
    Done,
}

/// Why an instruction is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It was sent before with other content.
    Reused,
    Stage(Stage),
}

impl Payment {
    /// What an instruction leads to.
    ///
    /// # Errors
    /// When it cannot be carried out. Then nothing moves.
    pub fn decide(&self, instruction: &Instruction) -> Result<Decision, Refused> {
        let stage = |stage| Err(Refused::Stage(stage));
        let known = self.recorded(instruction.verb());
        if known.is_some_and(|known| !known.is_of(instruction)) || self.is_other_sum(instruction) {
            return Err(Refused::Reused);
        }
        if self.reverse.is_some() {
            return match instruction.verb() {
                Verb::Reverse => Ok(Decision::Done),
                // What was owed is paid back after the payment was reversed.
                Verb::Repaid => self.repaid(instruction),
                Verb::TopUp
                | Verb::Credit
                | Verb::Hold
                | Verb::Receive
                | Verb::Confirm
                | Verb::Short => stage(Stage::Reversed),
            };
        }
        if known.is_some() {
            return Ok(Decision::Done);
        }
        match instruction {
            Instruction::TopUp { to, system, amount } => {
                let from = AccountName::PaymentSystem(system.clone());
                Ok(Decision::Move(moved(from, to.clone(), *amount).into()))
            }
            Instruction::Credit { to, amount } => {
                Ok(Decision::Move(moved(AccountName::Given, to.clone(), *amount).into()))
            }
            Instruction::Hold { from, order, amount } => {
                let to = AccountName::Order(*order);
                Ok(Decision::Move(moved(from.clone(), to, *amount).into()))
            }
            Instruction::Receive { system, order, amount } => {
                let from = AccountName::PaymentSystem(system.clone());
                Ok(Decision::Move(moved(from, AccountName::Order(*order), *amount).into()))
            }
            Instruction::Confirm { amount } => {
                let Some((opening, order)) = self.held() else { return self.not_held() };
                if *amount > opening.amount {
                    return stage(Stage::Less);
                }
                let from = AccountName::Order(order);
                Ok(Decision::Move(moved(from, AccountName::Sales, *amount).into()))
            }
            Instruction::Short { amount } => {
                let Some((opening, order)) = self.held() else { return self.not_held() };
                let Some(confirm) = &self.confirm else { return stage(Stage::NotConfirmed) };
                if *amount > confirm.amount {
                    return stage(Stage::Less);
                }
                let to = way_back(opening, order);
                Ok(Decision::Move(moved(AccountName::Sales, to, *amount).into()))
            }
            Instruction::Reverse { .. } => self.reversed(),
            Instruction::Repaid { .. } => self.repaid(instruction),
        }
    }

    /// Whether the payment is to be reversed by another sum than it has brought.
    fn is_other_sum(&self, instruction: &Instruction) -> bool {
        let brought = self.opening.as_ref().map(|opening| opening.amount);
        match instruction {
            Instruction::Reverse { amount: Some(amount) } => {
                brought.is_some_and(|brought| brought != *amount)
            }
            _ => false,
        }
    }

    /// What is recorded of a verb.
    pub(super) fn recorded(&self, verb: Verb) -> Option<&Transfer> {
        match verb {
            Verb::TopUp | Verb::Credit | Verb::Hold | Verb::Receive => self.opening.as_ref(),
            Verb::Confirm => self.confirm.as_ref(),
            Verb::Short => self.short.as_ref(),
            Verb::Reverse => self.reverse.as_ref(),
            Verb::Repaid => self.repaid.as_ref(),
        }
    }

    /// The transfer that has brought money for an order, and the order.
    fn held(&self) -> Option<(&Transfer, OrderId)> {
        let opening = self.opening.as_ref()?;
        Some((opening, opening.order?))
    }

    fn not_held(&self) -> Result<Decision, Refused> {
        let stage = if self.opening.is_some() { Stage::TopUp } else { Stage::NotHeld };
        Err(Refused::Stage(stage))
    }

    /// Everything goes back that has not gone back yet. A payment that has
    /// brought nothing is reversed too, so that it brings nothing later.
    fn reversed(&self) -> Result<Decision, Refused> {
        if self.opening.is_none() {
            return Ok(Decision::Move(Vec::new()));
        }
        let Some((opening, order)) = self.held() else { return self.not_held() };
        let of = |transfer: &Option<Transfer>| {
            transfer.as_ref().map_or(0, |transfer| transfer.amount.kopecks())
        };
        let (whole, confirmed, shortened) =
            (opening.amount.kopecks(), of(&self.confirm), of(&self.short));
        let legs = [
            Leg { account: AccountName::Order(order), kopecks: confirmed - whole },
            Leg { account: AccountName::Sales, kopecks: shortened - confirmed },
            Leg { account: way_back(opening, order), kopecks: whole - shortened },
        ];
        Ok(Decision::Move(legs.into_iter().filter(|leg| leg.kopecks != 0).collect()))
    }

    fn repaid(&self, instruction: &Instruction) -> Result<Decision, Refused> {
        if self.repaid.is_some() {
            return Ok(Decision::Done);
        }
        let Instruction::Repaid { amount, .. } = instruction else { return self.not_held() };
        let Some((opening, order)) = self.held() else { return self.not_held() };
        let Some(Means::PaymentSystem(system)) = &opening.means else {
            return Err(Refused::Stage(Stage::NotOwed));
        };
        let to = AccountName::PaymentSystem(system.clone());
        Ok(Decision::Move(moved(AccountName::Owed(order), to, *amount).into()))
    }
}

/// The account that money of a payment goes back to.
fn way_back(opening: &Transfer, order: OrderId) -> AccountName {
    match &opening.means {
        Some(Means::Account(account)) => account.clone(),
        Some(Means::PaymentSystem(_)) | None => AccountName::Owed(order),
    }
}
