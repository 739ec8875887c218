//! Begins an attempt to pay for an order.

use std::time::Duration;

use serde::Serialize;
use tillgate_kernel::time::later;
use tillgate_kernel::{Fingerprint, Money, Stopwatch, Timestamp};
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, Unavailable, Versioned};

use super::Payment;
use super::attempt::{Attempt, BilledLine, Goal, Means, Stage};
use super::drive::DueCall;
use super::gateway::delivery_line;
use super::ledger::payment_id;
use super::shop_payment::{ATTEMPTS_MAX, ShopPayment};
use crate::Refusal;
use crate::client_orders::{ClientOrder, ORDER_CHARACTERS_MAX};
use crate::form::{Fault, Form};
use crate::formats::TokenType;
use crate::formats::agreement::Reason;
use crate::order_id::OrderId;
use crate::order_problem::OrderProblem;
use crate::payment_problem::PaymentProblem;
use crate::roubles::Roubles;
use crate::service_client::Caller;
use crate::username::Username;

/// What is held outlives the link by this.
const HELD_LONGER: Duration = Duration::from_secs(5 * 60);

/// How long a request waits until the attempt before is certainly over.
const REPLACING_WAIT: Duration = Duration::from_secs(4);

/// How often it is looked for that.
const LOOK_PAUSE: Duration = Duration::from_millis(150);

/// The largest number of a means of payment.
pub const TOKEN_MAX: u64 = (1 << 53) - 1;

/// The kinds that are paid with through the gateway.
pub const TOKEN_TYPES: &[&str] = &["BANK_CARD", "QR_PAY"];

/// What a client wants to pay with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// One that the ledger keeps.
    Token(u64),
    BankCard,
    Sbp,
}

/// A request to pay for an order.
#[derive(Debug)]
pub struct Pay {
    pub order: String,
    pub version: u64,
    pub wish: Wish,
}

impl Pay {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Pay, Refusal> {
        let order = form.optional_id("orderId", ORDER_CHARACTERS_MAX);
        form.need("orderId", order.is_some());
        let version = form.optional_whole("version", 0, u64::from(u32::MAX));
        form.need("version", version.is_some());
        let token = form.optional_whole("tokenId", 1, TOKEN_MAX);
        let kind = if form.has("tokenType") { form.choice("tokenType", TOKEN_TYPES) } else { None };
        let wish = match (token, kind) {
            (Some(token), None) => Some(Wish::Token(token)),
            (None, Some("BANK_CARD")) => Some(Wish::BankCard),
            (None, Some(_)) => Some(Wish::Sbp),
            (Some(_), Some(_)) => form.refuse("tokenType", Fault::Unknown),
            (None, None) => form.refuse("tokenId", Fault::Missing),
        };
        let all = order.zip(version.zip(wish));
        let read = all.map(|(order, (version, wish))| Pay { order, version, wish });
        form.whole(read).map_err(Refusal::Fields)
    }

    /// A digest of what is asked for.
    fn content(&self) -> Fingerprint {
        let wish = match self.wish {
            Wish::Token(token) => format!("token {token}"),
            Wish::BankCard => "card".into(),
            Wish::Sbp => "sbp".into(),
        };
        let version = self.version.to_be_bytes();
        Fingerprint::of(&[self.order.as_bytes(), &version, wish.as_bytes()])
    }
}

/// A payment, and what has become of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    payment_id: String,
    /// Twelve digits.
    order_id: String,
    /// Of the order.
    version: u64,
    token_type: &'static str,
    status: &'static str,
    redirect_url: Option<String>,
    amount: Roubles,
    until: Timestamp,
    error_msg: Option<Reason>,
}

impl Shown {
    #[must_use]
    pub fn of(order: OrderId, attempt: &Attempt) -> Shown {
        let (status, reason) = match (&attempt.stage, attempt.goal) {
            (Stage::Over { reason }, _) => ("FAIL", Some(*reason)),
            (Stage::Asked | Stage::Linked, Goal::Bring | Goal::Confirm) => ("PENDING", None),
            (Stage::Held | Stage::Capturing, Goal::Bring | Goal::Confirm) => ("HELD", None),
            (Stage::Taken | Stage::Received | Stage::Confirmed, Goal::Bring | Goal::Confirm) => {
                ("SUCCESS", None)
            }
            _ => ("FAIL", Some(Reason::Reversed)),
        };
        let link = attempt.link.as_ref().filter(|_| status == "PENDING");
        Shown {
            payment_id: payment_id(order, attempt.number),
            order_id: order.to_string(),
            version: attempt.version,
            token_type: attempt.means.token_type().as_str(),
            status,
            redirect_url: link.map(|link| link.url.clone()),
            amount: Roubles(attempt.amount),
            until: attempt.until,
            error_msg: reason,
        }
    }

    #[must_use]
    pub const fn is_failed(&self) -> bool {
        self.error_msg.is_some()
    }
}

/// What a request finds.
enum Begun {
    /// This attempt is the request's. Its first call is to be made now.
    Attempt(u32, Option<Box<DueCall>>),
    /// Another one must be over first.
    Other(u32),
}

impl Payment {
    /// Pays for a client's order. The same key and content is the same request.
    ///
    /// # Errors
    /// When the order has another version or is not new, nothing is held for it
    /// any more, or another payment can still bring money.
    pub async fn pay(
        &self,
        caller: &Caller,
        username: &Username,
        key: &str,
        pay: &Pay,
    ) -> Result<Shown, Refusal> {
        let key = Fingerprint::of(&[username.as_str().to_lowercase().as_bytes(), key.as_bytes()]);
        let content = pay.content();
        // A repeated request is answered also when the order has gone on.
        let found = self.orders.find(caller, &pay.order).await?;
        let id = found.id;
        if let Some(known) = self.repeated(id, key, content).await? {
            self.drive_quietly(id).await;
            return self.shown(id, known).await;
        }
        let order = found.new_at(pay.version)?;
        let wanted = self.wanted(caller, username, order, pay).await?;
        let held_for = self.settings.pay_for.saturating_add(HELD_LONGER);
        self.holds.extend(id, pay.version, held_for).await?;
        let since = Stopwatch::start();
        loop {
            match self.begin(id, username, key, content, &wanted).await? {
                Begun::Attempt(number, first) => {
                    match first {
                        Some(first) => self.drive_quietly_from(id, Some(*first)).await,
                        None => self.drive_quietly(id).await,
                    }
                    let shown = self.shown(id, number).await?;
                    if shown.error_msg == Some(Reason::NotEnoughMoney) {
                        return Err(self.too_little(caller, username, &wanted).await?);
                    }
                    return Ok(shown);
                }
                Begun::Other(number) => {
                    if since.elapsed() >= REPLACING_WAIT {
                        return Err(self.in_progress(id, number).await?);
                    }
                    self.hurry(id, number).await?;
                    tokio::time::sleep(LOOK_PAUSE).await;
                }
            }
        }
    }

    /// The attempt that was made for this key.
    async fn repeated(
        &self,
        order: OrderId,
        key: Fingerprint,
        content: Fingerprint,
    ) -> Result<Option<u32>, Refusal> {
        let payment = self.payments_of(order).await?;
        let known =
            payment.and_then(|known| known.attempts.into_iter().find(|attempt| attempt.key == key));
        match known {
            Some(attempt) if attempt.content == content => Ok(Some(attempt.number)),
            Some(_) => Err(Refusal::Payment(PaymentProblem::KeyReused)),
            None => Ok(None),
        }
    }

    /// What an attempt for the request is about.
    async fn wanted(
        &self,
        caller: &Caller,
        username: &Username,
        order: ClientOrder,
        pay: &Pay,
    ) -> Result<Wanted, Refusal> {
        let booked = self.bookings.of(order.id).await?;
        let now = self.clock.now();
        let live = booked.filter(|booked| {
            booked.version == order.version && booked.until.is_some_and(|until| until > now)
        });
        let booked = live.ok_or(Refusal::Order(OrderProblem::HoldExpired))?;
        let total = order.total.kopecks().saturating_add(booked.cost.kopecks());
        let amount = Money::from_kopecks(total);
        if amount == Money::ZERO {
            return Err(Refusal::Order(OrderProblem::NothingToPay));
        }
        let (means, lines) = match pay.wish {
            Wish::Token(token) => (self.kept(caller, username, token, amount).await?, Vec::new()),
            Wish::BankCard | Wish::Sbp if !self.offers(&pay.wish).await => {
                return Err(Refusal::Payment(PaymentProblem::NotOffered));
            }
            Wish::BankCard => (Means::BankCard, self.billed(&order, booked.cost).await?),
            Wish::Sbp => (Means::Sbp, self.billed(&order, booked.cost).await?),
        };
        let (version, delivery_cost) = (order.version, booked.cost);
        Ok(Wanted { version, means, lines, amount, delivery_cost })
    }

    /// Whether the gateway takes it.
    async fn offers(&self, wish: &Wish) -> bool {
        let wanted = match wish {
            Wish::Token(_) => return false,
            Wish::BankCard => TokenType::BankCard,
            Wish::Sbp => TokenType::QrPay,
        };
        self.token_types().await.contains(&wanted.as_str())
    }

    /// A means of payment that the ledger keeps for the client.
    async fn kept(
        &self,
        caller: &Caller,
        username: &Username,
        token: u64,
        amount: Money,
    ) -> Result<Means, Refusal> {
        let all = self.kept_tokens(username, caller).await?;
        let kept = all.into_iter().find(|one| one.id == token).ok_or(Refusal::NotFound)?;
        let balance = kept.balance.map_or(Money::ZERO, |Roubles(balance)| balance);
        // The commit that holds judges it; this spares an attempt.
        if balance < amount {
            return Err(Refusal::NotEnoughMoney { balance, wanted: amount });
        }
        if kept.token_type != "WALLET" {
            return Err(Refusal::Payment(PaymentProblem::NotOffered));
        }
        Ok(Means::Wallet { token, masked: kept.masked_token_id })
    }

    /// What somebody else has spent meanwhile is missing.
    async fn too_little(
        &self,
        caller: &Caller,
        username: &Username,
        wanted: &Wanted,
    ) -> Result<Refusal, Refusal> {
        let all = self.kept_tokens(username, caller).await?;
        let Means::Wallet { token, .. } = wanted.means else { return Ok(Refusal::NotFound) };
        let kept = all.into_iter().find(|one| one.id == token);
        let balance = kept.and_then(|one| one.balance).map_or(Money::ZERO, |one| one.0);
        Ok(Refusal::NotEnoughMoney { balance, wanted: wanted.amount })
    }

    /// The lines of an order, as receipts have them.
    async fn billed(&self, order: &ClientOrder, cost: Money) -> Result<Vec<BilledLine>, Refusal> {
        let prices = self.prices.of(order.lines.iter().map(|line| line.product)).await?;
        let vat = &self.settings.vat;
        let line = |line: &crate::client_orders::OrderLine| {
            let known = prices.get(&line.product);
            let rate = known.and_then(|price| price.vat.as_deref()).and_then(vat_code);
            BilledLine {
                sku: known.map_or_else(|| line.product.to_string(), |one| one.article.clone()),
                name: line.name.clone(),
                quantity: line.pieces,
                price: line.price,
                vat: rate.map_or_else(|| vat.clone(), str::to_owned),
                is_service: false,
            }
        };
        let goods = order.lines.iter().map(line);
        Ok(goods.chain(delivery_line(&self.settings.delivery, cost, vat)).collect())
    }

    /// Writes down an attempt, unless another one can still bring money.
    async fn begin(
        &self,
        order: OrderId,
        username: &Username,
        key: Fingerprint,
        content: Fingerprint,
        wanted: &Wanted,
    ) -> Result<Begun, Refusal> {
        let doc_key = ShopPayment::key_of(order);
        let work = |_| async move {
            let stored = self.store.read::<ShopPayment>(doc_key).await?;
            let now = self.clock.now();
            let mut payment = stored
                .as_deref()
                .cloned()
                .unwrap_or_else(|| ShopPayment::new(order, Some(username.clone())));
            let refused = |refusal| Ok(Run::Unchanged(Err(refusal)));
            if let Some(known) = payment.attempts.iter().find(|one| one.key == key) {
                let is_same = known.content == content;
                let problem = Refusal::Payment(PaymentProblem::KeyReused);
                let number = known.number;
                return Ok(Run::Unchanged(if is_same {
                    Ok(Begun::Attempt(number, None))
                } else {
                    Err(problem)
                }));
            }
            if payment.is_reversed {
                let problem = OrderProblem::Status("CANCELED".into());
                return refused(Refusal::Order(problem));
            }
            if let Some(live) = payment.live() {
                let number = live.number;
                return Ok(if wanted.may_replace(live, now) {
                    Run::Unchanged(Ok(Begun::Other(number)))
                } else {
                    Run::Unchanged(Err(Refusal::Payment(PaymentProblem::in_progress(&Shown::of(
                        order, live,
                    )))))
                });
            }
            if payment.attempts.len() >= ATTEMPTS_MAX {
                return refused(Refusal::Payment(PaymentProblem::TooManyAttempts));
            }
            payment.username = Some(username.clone());
            let number = u32::try_from(payment.attempts.len()).unwrap_or(u32::MAX) + 1;
            payment.attempts.push(Attempt {
                number,
                means: wanted.means.clone(),
                version: wanted.version,
                amount: wanted.amount,
                delivery_cost: wanted.delivery_cost,
                key,
                content,
                stage: Stage::Asked,
                goal: Goal::Bring,
                lines: wanted.lines.clone(),
                link: None,
                until: later(now, self.settings.pay_for),
                made_at: now,
                refused: None,
                failures: 0,
                due_at: Some(now),
            });
            let first = DueCall::begin(&mut payment, now).map(Box::new);
            let mut batch = Batch::new();
            let listed_at = payment.due_at().unwrap_or(now);
            let mut written = match stored {
                Some(stored) => stored.replaced(payment),
                None => Versioned::new(payment, now),
            };
            written.list_at(listed_at);
            written.stage_at(doc_key, &mut batch);
            Ok::<_, Unavailable>(Run::Commit(batch, Ok(Begun::Attempt(number, first))))
        };
        let (begun, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        begun
    }

    /// Brings an attempt to its end, so that another one can begin.
    async fn hurry(&self, order: OrderId, number: u32) -> Result<(), Refusal> {
        let change = |payment: &mut ShopPayment, now: Timestamp| {
            payment.undo(number, now);
            if let Some(attempt) = payment.attempt_mut(number)
                && matches!(attempt.stage, Stage::Canceling)
            {
                attempt.due_at = Some(now);
            }
            (Vec::new(), ())
        };
        self.change(order, None, change).await.map_err(Refusal::of_commit)
    }

    async fn in_progress(&self, order: OrderId, number: u32) -> Result<Refusal, Refusal> {
        let shown = self.shown(order, number).await?;
        Ok(Refusal::Payment(PaymentProblem::in_progress(&shown)))
    }

    /// What has become of an attempt.
    ///
    /// # Errors
    /// When there is none with this number.
    pub async fn shown(&self, order: OrderId, number: u32) -> Result<Shown, Refusal> {
        let payment = self.payments_of(order).await?.ok_or(Refusal::NotFound)?;
        let attempt = payment.attempt(number).ok_or(Refusal::NotFound)?;
        Ok(Shown::of(order, attempt))
    }

    /// What has become of the latest attempt to pay for an order.
    ///
    /// # Errors
    /// When there is none.
    pub async fn latest(&self, order: OrderId) -> Result<Shown, Refusal> {
        let payment = self.payments_of(order).await?.ok_or(Refusal::NotFound)?;
        let attempt = payment.attempts.last().ok_or(Refusal::NotFound)?;
        Ok(Shown::of(order, attempt))
    }
}

/// What an attempt is about.
struct Wanted {
    version: u64,
    means: Means,
    lines: Vec<BilledLine>,
    amount: Money,
    delivery_cost: Money,
}

impl Wanted {
    /// Whether the attempt before can be ended for this one: it is for another
    /// version or another means, or its time is over, and no money has been
    /// taken by it.
    fn may_replace(&self, live: &Attempt, now: Timestamp) -> bool {
        let can_be_ended = match live.stage {
            Stage::Asked | Stage::Linked | Stage::Held => live.goal != Goal::Confirm,
            Stage::Canceling => true,
            Stage::Capturing | Stage::Taken | Stage::Received | Stage::Confirmed => {
                live.goal == Goal::Undo
            }
            Stage::Owed
            | Stage::Refunding { .. }
            | Stage::Refunded { .. }
            | Stage::RefundRefused
            | Stage::Returned
            | Stage::Over { .. } => true,
        };
        let is_same = live.version == self.version && live.means == self.means;
        can_be_ended && (!is_same || live.goal == Goal::Undo || live.until <= now)
    }
}

/// How the gateway names a rate of the catalogue.
fn vat_code(rate: &str) -> Option<&'static str> {
    Some(match rate {
        "none" => "VATNONE",
        "percent0" => "RUS_VAT0",
        "percent5" => "RUS_VAT5",
        "percent7" => "RUS_VAT7",
        "percent10" => "RUS_VAT10",
        "percent20" => "RUS_VAT20",
        "percent22" => "RUS_VAT22",
        _ => return None,
    })
}
