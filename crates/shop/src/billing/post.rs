//! The use case that moves money.

use tillgate_kernel::outbox::Message;
use tillgate_kernel::{Money, Partition};
use tillgate_store::unit::{Run, run_with_sums};
use tillgate_store::{Batch, CommitError, CounterChange, Expect, Unavailable, Versioned};

use super::Billing;
use super::account::{Account, AccountKind};
use super::account_name::AccountName;
use super::ledger::{Decision, Payment, Refused, floors};
use super::token_id::TokenId;
use super::transfer::{Issuer, Transfer};
use super::verb::{Instruction, Leg, Means, VERBS, Verb};
use crate::Refusal;
use crate::form::{Fault, Form};
use crate::order_id::OrderId;
use crate::refusal::Stage;
use crate::seal::Sealed;
use crate::username::{ClientNumber, USERNAME_CHARACTERS_MAX, Username};

/// The longest id of a payment or a refund, in characters.
pub const ID_CHARACTERS_MAX: usize = 64;

/// The longest name of a payment system, in characters.
pub const SYSTEM_CHARACTERS_MAX: usize = 32;

/// The names of the verbs that services may ask for.
pub const OPERATIONS: &[&str] =
    &["HOLD", "CONFIRM", "REVERSE", "TOP_UP", "RECEIVE", "REPAID", "SHORT"];

/// What a service asks for.
#[derive(Debug, Clone)]
pub struct Charge {
    pub payment: String,
    pub verb: Verb,
    pub client: Option<ClientNumber>,
    pub token: Option<TokenId>,
    pub order: Option<OrderId>,
    pub amount: Option<Money>,
    pub system: Option<String>,
    pub refund: Option<String>,
}

/// The fields that a verb needs, beyond the payment's id. The others may be
/// sent: they must then be those of the payment.
const fn needed(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Hold => &["orderId", "username", "tokenId", "amount"],
        Verb::TopUp => &["username", "tokenId", "amount", "paymentSystem"],
        Verb::Receive => &["orderId", "username", "amount", "paymentSystem"],
        Verb::Confirm | Verb::Short => &["amount"],
        Verb::Repaid => &["amount", "refundId"],
        Verb::Reverse | Verb::Credit => &[],
    }
}

impl Charge {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Charge, Refusal> {
        let operation = form.choice("operation", OPERATIONS);
        let verb = VERBS.iter().find(|(_, name)| Some(*name) == operation).map(|(verb, _)| *verb);
        let payment = form.optional_id("paymentId", ID_CHARACTERS_MAX);
        form.need("paymentId", payment.is_some());
        let client = read_client(&mut form);
        // What a payment has no place for is refused when it begins, and not
        // when it is repeated.
        let token = if verb == Some(Verb::Receive) {
            None
        } else {
            form.optional_whole("tokenId", 1, TokenId::MAX).and_then(TokenId::new)
        };
        let order = if verb == Some(Verb::TopUp) { None } else { form.optional_order("orderId") };
        let amount = form.optional_amount("amount");
        let mut only_of = |name: &str, verbs: &[Verb], most: usize| {
            let is_taken = verb.is_none_or(|verb| verbs.contains(&verb));
            if is_taken { form.optional_id(name, most) } else { None }
        };
        let takers = [Verb::TopUp, Verb::Receive];
        let system = only_of("paymentSystem", &takers, SYSTEM_CHARACTERS_MAX);
        let refund = only_of("refundId", &[Verb::Repaid], ID_CHARACTERS_MAX);
        for name in verb.map_or(&[][..], needed) {
            let is_there = match *name {
                "orderId" => order.is_some(),
                "username" => client.is_some(),
                "tokenId" => token.is_some(),
                "amount" => amount.is_some(),
                "paymentSystem" => system.is_some(),
                _ => refund.is_some(),
            };
            form.need(name, is_there);
        }
        let read = payment.zip(verb).map(|(payment, verb)| Charge {
            payment,
            verb,
            client,
            token,
            order,
            amount,
            system,
            refund,
        });
        form.whole(read).map_err(Refusal::Fields)
    }
}

/// Reads whose account it is.
pub fn read_client(form: &mut Form) -> Option<ClientNumber> {
    let text = form.optional("username", USERNAME_CHARACTERS_MAX)?;
    let username = Username::parse(&text);
    username.as_ref().map(ClientNumber::of).or_else(|| form.refuse("username", Fault::NotAUsername))
}

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
    /// When it cannot be carried out. Then nothing has moved.
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
        let missing = |name: &str| Refusal::Fields(vec![(format!("/{name}"), Fault::Missing)]);
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
            Verb::Reverse | Verb::Credit => Instruction::Reverse { amount: charge.amount },
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
                Ok(Decision::Done) => return Ok(Run::Unchanged(Ok(payment.account(instruction)))),
                Err(Refused::Reused) => return Ok(Run::Unchanged(Err(Refusal::IdReused))),
                Err(Refused::Stage(stage)) => {
                    return Ok(Run::Unchanged(Err(Refusal::WrongState(stage))));
                }
            };
            let account = payment.account(instruction);
            let batch = self.batch(partition, posting, &payment, legs);
            Ok(Run::Commit(batch, Ok(account)))
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
        let Some(account) = done.value? else { return Ok(None) };
        // The commit knows what it has left. A repeated request asks.
        match floored(instruction).and_then(|place| done.sums.get(place)) {
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
            // It never changes. The store learns that something is there.
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

/// The place of the floor of the wallet or the card among the floors of an
/// instruction that begins a payment.
const fn floored(instruction: &Instruction) -> Option<usize> {
    match instruction {
        // Of the two accounts, that of the payment system or of the shop has no
        // floor.
        Instruction::TopUp { .. } | Instruction::Credit { .. } | Instruction::Hold { .. } => {
            Some(0)
        }
        Instruction::Receive { .. }
        | Instruction::Confirm { .. }
        | Instruction::Short { .. }
        | Instruction::Reverse { .. }
        | Instruction::Repaid { .. } => None,
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
    fn transfer(
        &self,
        posting: &Posting,
        legs: Vec<Leg>,
        at: tillgate_kernel::Timestamp,
    ) -> Transfer {
        let opening = self.opening.as_ref();
        let known = opening.and_then(|opening| opening.means.clone());
        let none = Money::ZERO;
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
                let back = if legs.is_empty() { none } else { Money::from_kopecks(back) };
                (back, known, opening.and_then(|opening| opening.order), None)
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
