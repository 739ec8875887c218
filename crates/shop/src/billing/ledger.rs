//! The books, pure: what each verb moves, and when it may.
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

use tillgate_kernel::Money;
use tillgate_store::Floor;

use super::account_name::AccountName;
use super::transfer::Transfer;
use super::verb::{Instruction, Leg, Means, Verb};
use crate::order_id::OrderId;
use crate::refusal::Stage;

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
    /// The version of its document.
    pub opening_version: u64,
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

    /// Whether it is to be reversed by another sum than it has brought.
    fn is_other_sum(&self, instruction: &Instruction) -> bool {
        let brought = self.opening.as_ref().map(|opening| opening.amount);
        let Instruction::Reverse { amount: Some(amount) } = instruction else { return false };
        brought.is_some_and(|brought| brought != *amount)
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
        // What is owed for other payments of the order is not this system's.
        if *amount > opening.amount {
            return Err(Refused::Stage(Stage::NotOwed));
        }
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
