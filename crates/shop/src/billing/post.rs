//! The use case that moves money.

use tillgate_kernel::outbox::Message;
use tillgate_kernel::{Money, Partition, Timestamp};
use tillgate_store::unit::{Run, run_with_sums};
use tillgate_store::{Batch, CommitError, CounterChange, Expect, Unavailable, Versioned};

use super::Billing;
use super::account::{Account, AccountKind};
use super::account_name::AccountName;
use super::charge::Charge;
use super::ledger::{Decision, Payment, Refused, floors};
use super::transfer::{Issuer, Transfer};
use super::verb::{Instruction, Leg, Means, OPERATIONS, Verb};
use crate::Refusal;
use crate::form::Fault;
use crate::refusal::Stage;
use crate::seal::Sealed;
use crate::username::ClientNumber;

/// An instruction, and what is recorded with it.
#[derive(Debug)]
pub struct Posting {
    pub issuer: Issuer,
    pub payment: String,
    pub instruction: Instruction,
    pub client: Option<ClientNumber>,
    pub reason: Option<Sealed>,
    /// What another service is to know of it.
    pub message: Option<Message>,
}

impl Billing {
    /// Carries out what a service asks for. Returns the balance of the
    /// payment's wallet or card, if it has one.
    ///
    /// # Errors
    /// When it cannot be carried out. Then nothing has moved, except that
    /// [`Refusal::NotKnown`] says that it may have.
    pub async fn charge(&self, charge: &Charge) -> Result<Option<Money>, Refusal> {
        let instruction = self.instruction_of(charge).await?;
        let posting = Posting {
            issuer: Issuer::Services,
            payment: charge.payment.clone(),
            instruction,
            client: charge.client,
            reason: None,
            message: None,
        };
        self.post(&posting, Some(charge)).await
    }

    async fn instruction_of(&self, charge: &Charge) -> Result<Instruction, Refusal> {
        // The fields were found to be there when the request was read.
        let missing = |name: &str| Refusal::of_field(name, Fault::Missing);
        let amount = || charge.amount.ok_or_else(|| missing("amount"));
        let order = || charge.order.ok_or_else(|| missing("orderId"));
        let system = || charge.system.clone().ok_or_else(|| missing("paymentSystem"));
        Ok(match charge.verb {
            Verb::Hold => {
                let from = self.own_account(charge).await?;
                Instruction::Hold { from, order: order()?, amount: amount()? }
            }
            Verb::TopUp => {
                let to = self.own_account(charge).await?;
                if !matches!(to, AccountName::Wallet(_)) {
                    return Err(Refusal::NotFound);
                }
                Instruction::TopUp { to, system: system()?, amount: amount()? }
            }
            Verb::Receive => {
                Instruction::Receive { system: system()?, order: order()?, amount: amount()? }
            }
            Verb::Confirm => Instruction::Confirm { amount: amount()? },
            Verb::Short => Instruction::Short { amount: amount()? },
            Verb::Repaid => Instruction::Repaid {
                refund: charge.refund.clone().ok_or_else(|| missing("refundId"))?,
                amount: amount()?,
            },
            Verb::Reverse => Instruction::Reverse { amount: charge.amount },
            // The operator's verb is no service's.
            Verb::Credit => {
                let fault = Fault::NotAChoice(OPERATIONS);
                return Err(Refusal::of_field("operation", fault));
            }
        })
    }

    /// The account of a charge, if it is the client's.
    async fn own_account(&self, charge: &Charge) -> Result<AccountName, Refusal> {
        let (Some(token), Some(client)) = (charge.token, charge.client) else {
            return Err(Refusal::NotFound);
        };
        if let Some(owner) = self.owners.of(token) {
            let is_own = owner == client;
            return if is_own { Ok(AccountName::Wallet(token)) } else { Err(Refusal::NotFound) };
        }
        let account = self.store.read::<Account>(Account::key_of(token)).await?;
        let account = account.map(Versioned::into_document);
        let account = account.filter(|account| account.id == token).ok_or(Refusal::NotFound)?;
        let owner = account.owner.ok_or(Refusal::NotFound)?;
        if account.kind == AccountKind::Wallet {
            self.owners.remember(token, owner);
        }
        if owner == client { Ok(account.name()) } else { Err(Refusal::NotFound) }
    }

    /// Carries out an instruction, once. Returns what is in the wallet or the
    /// card that the payment's money comes from or goes to, if there is one.
    pub(super) async fn post(
        &self,
        posting: &Posting,
        charge: Option<&Charge>,
    ) -> Result<Option<Money>, Refusal> {
        let partition = posting.issuer.partition_of(&posting.payment);
        let instruction = &posting.instruction;
        let work = |attempt| async move {
            // Nearly every payment that begins is new: a repeated one conflicts
            // with its record, and is read then.
            let is_taken_for_new = attempt == 0 && instruction.verb().brings_money();
            let payment = if is_taken_for_new {
                Payment::default()
            } else {
                self.payment(partition, posting).await?
            };
            if charge.is_some_and(|charge| payment.is_anothers(charge)) {
                return Ok(Run::Unchanged(Err(Refusal::IdReused)));
            }
            let legs = match payment.decide(instruction) {
                Ok(Decision::Move(legs)) => legs,
                Ok(Decision::Done) => {
                    return Ok(Run::Unchanged(Ok((payment.account(instruction), None))));
                }
                Err(Refused::Reused) => return Ok(Run::Unchanged(Err(Refusal::IdReused))),
                Err(Refused::Stage(stage)) => {
                    return Ok(Run::Unchanged(Err(Refusal::WrongState(stage))));
                }
            };
            let account = payment.account(instruction);
            let mut floored = legs.iter().filter(|leg| leg.account.has_floor());
            let floor = floored.position(|leg| Some(&leg.account) == account.as_ref());
            let batch = self.batch(partition, posting, &payment, legs);
            Ok(Run::Commit(batch, Ok((account, floor))))
        };
        let done = match run_with_sums(&self.store, work).await {
            Ok(done) => done,
            Err(CommitError::Short { .. }) => return Err(self.short_of(instruction).await?),
            Err(CommitError::Unavailable(why)) => {
                tracing::error!(error = %why, "it is not known whether money was moved");
                return Err(Refusal::NotKnown);
            }
            Err(why) => return Err(why.into()),
        };
        let (Some(account), floor) = done.value? else { return Ok(None) };
        // The commit knows what it has left in an account that it moves.
        match floor.and_then(|place| done.sums.get(place)) {
            Some(kopecks) => Ok(Some(Money::from_kopecks(*kopecks))),
            // The money has moved: the answer says so, also without a balance.
            None => Ok(self.balance(&account).await.ok()),
        }
    }

    /// What is written for an instruction that moves these legs.
    fn batch(
        &self,
        partition: Partition,
        posting: &Posting,
        payment: &Payment,
        legs: Vec<Leg>,
    ) -> Batch {
        let (instruction, now) = (&posting.instruction, self.clock.now());
        let mut batch = Batch::new();
        for leg in &legs {
            batch.bump(leg.account.counter(), CounterChange::Add(leg.kopecks));
        }
        for floor in floors(&legs) {
            batch.floor(floor);
        }
        // What would lead to another decision must not appear meanwhile.
        let absent: &[Verb] = match instruction.verb() {
            Verb::TopUp | Verb::Credit | Verb::Hold | Verb::Receive => &[Verb::Reverse],
            Verb::Confirm | Verb::Short => &[Verb::Reverse],
            Verb::Reverse => &[Verb::Hold, Verb::Confirm, Verb::Short],
            Verb::Repaid => &[],
        };
        for verb in absent.iter().filter(|verb| payment.recorded(**verb).is_none()) {
            batch.assert_version(Transfer::key_in(partition, *verb, None), Expect::Absent);
        }
        if payment.opening.is_some() {
            // It never changes. By its version the store knows that the
            // partition is not new.
            let opening = Transfer::key_in(partition, Verb::Hold, None);
            batch.assert_version(opening, Expect::At(payment.opening_version));
        }
        let transfer = payment.transfer(posting, legs, now);
        let key = Transfer::key_in(partition, instruction.verb(), transfer.refund.as_deref());
        batch.put(key, Expect::Absent, &transfer, now);
        if let Some(message) = &posting.message {
            batch.send(message.clone());
        }
        batch
    }

    /// What has been done with a payment.
    async fn payment(
        &self,
        partition: Partition,
        posting: &Posting,
    ) -> Result<Payment, Unavailable> {
        let refund = if let Instruction::Repaid { refund, .. } = &posting.instruction {
            Some(refund.as_str())
        } else {
            None
        };
        let verbs = [Verb::Hold, Verb::Confirm, Verb::Short, Verb::Reverse, Verb::Repaid];
        let keys = verbs.map(|verb| Transfer::key_in(partition, verb, refund));
        let known = if refund.is_some() { &keys[..] } else { &keys[..4] };
        let mut found = Vec::with_capacity(verbs.len());
        // A repeated request is answered by what is read here.
        let loaded = self.store.load_kept(known).await?;
        let opening_version = loaded.first().and_then(Option::as_ref).map_or(0, |doc| doc.version);
        for stored in loaded {
            let transfer = stored.map(|stored| stored.document::<Transfer>()).transpose()?;
            // Another payment may have the partition.
            found.push(transfer.filter(|transfer| transfer.payment == posting.payment));
        }
        let mut found = found.into_iter();
        let mut next = || found.next().flatten();
        Ok(Payment {
            opening: next(),
            opening_version,
            confirm: next(),
            short: next(),
            reverse: next(),
            repaid: next(),
        })
    }

    /// What the account that an instruction takes from has too little of.
    async fn short_of(&self, instruction: &Instruction) -> Result<Refusal, Refusal> {
        Ok(match instruction {
            Instruction::Hold { from, amount, .. } => {
                Refusal::NotEnoughMoney { balance: self.balance(from).await?, wanted: *amount }
            }
            Instruction::Repaid { .. } => Refusal::WrongState(Stage::NotOwed),
            Instruction::TopUp { .. }
            | Instruction::Credit { .. }
            | Instruction::Receive { .. }
            | Instruction::Confirm { .. }
            | Instruction::Short { .. }
            | Instruction::Reverse { .. } => Refusal::WrongState(Stage::Less),
        })
    }

    /// What an account holds.
    pub(super) async fn balance(&self, account: &AccountName) -> Result<Money, Refusal> {
        let balances = self.store.balances(&[account.counter()]).await?;
        Ok(Money::from_kopecks(balances.first().copied().unwrap_or_default()))
    }
}

impl Payment {
    /// Whether a request says something of the payment that is not so.
    fn is_anothers(&self, charge: &Charge) -> bool {
        let Some(opening) = &self.opening else { return false };
        let token = match &opening.means {
            Some(Means::Account(AccountName::Wallet(token) | AccountName::GiftCard(token))) => {
                Some(*token)
            }
            _ => opening.wallet(),
        };
        let differs = |asked: bool, is_same: bool| asked && !is_same;
        differs(charge.order.is_some(), charge.order == opening.order)
            || differs(charge.client.is_some(), charge.client == opening.client)
            || differs(charge.token.is_some(), charge.token == token)
    }

    /// The wallet or the card of the payment.
    fn account(&self, instruction: &Instruction) -> Option<AccountName> {
        let of_instruction = match instruction {
            Instruction::TopUp { to, .. } | Instruction::Credit { to, .. } => Some(to),
            Instruction::Hold { from, .. } => Some(from),
            Instruction::Receive { .. }
            | Instruction::Confirm { .. }
            | Instruction::Short { .. }
            | Instruction::Reverse { .. }
            | Instruction::Repaid { .. } => match &self.opening.as_ref()?.means {
                Some(Means::Account(account)) => Some(account),
                Some(Means::PaymentSystem(_)) | None => None,
            },
        };
        of_instruction.cloned()
    }

    /// The record of an instruction that moves these legs.
    fn transfer(&self, posting: &Posting, legs: Vec<Leg>, at: Timestamp) -> Transfer {
        let opening = self.opening.as_ref();
        let known = opening.and_then(|opening| opening.means.clone());
        let (amount, means, order, refund) = match &posting.instruction {
            Instruction::TopUp { system, amount, .. } => {
                (*amount, Some(Means::PaymentSystem(system.clone())), None, None)
            }
            Instruction::Credit { to, amount } => {
                (*amount, Some(Means::Account(to.clone())), None, None)
            }
            Instruction::Hold { from, order, amount } => {
                (*amount, Some(Means::Account(from.clone())), Some(*order), None)
            }
            Instruction::Receive { system, order, amount } => {
                (*amount, Some(Means::PaymentSystem(system.clone())), Some(*order), None)
            }
            Instruction::Confirm { amount } | Instruction::Short { amount } => {
                (*amount, known, opening.and_then(|opening| opening.order), None)
            }
            Instruction::Repaid { amount, refund } => {
                let order = opening.and_then(|opening| opening.order);
                (*amount, known, order, Some(refund.clone()))
            }
            Instruction::Reverse { .. } => {
                let back = legs.iter().map(|leg| leg.kopecks.max(0)).sum();
                (Money::from_kopecks(back), known, opening.and_then(|opening| opening.order), None)
            }
        };
        Transfer {
            payment: posting.payment.clone(),
            verb: posting.instruction.verb(),
            amount,
            legs,
            at,
            means,
            order,
            client: posting.client.or_else(|| opening.and_then(|opening| opening.client)),
            refund,
            reason: posting.reason.clone(),
        }
    }
}
