//! The payment system says that money came: believe it as far as it fits what we stored, once.

use std::sync::OnceLock;
use std::time::Duration;

use super::alias::{order_of, remember};
use super::effects::{About as EventAbout, MoneyCame, Task};
use super::transaction::{Staged, Transaction, Versioned, transact};
use super::{
    BilledOrder, Hook, OrderRecord, Shop, checkout_of, entry_of, fetch_bill, load_kept_entry,
    load_kept_record,
};
use crate::dedup::{Answer, JournalEntry, Reason, Verdict, key};
use crate::kernel::time::between;
use crate::kernel::{ExternalId, Fingerprint, HookId, PartyName, same_id};
use crate::payments::{
    Judgement, Notice, OperationId, Payment, PaymentId, PaymentNote, PaymentState, Recorded,
};
use crate::store::Unavailable;
use crate::views::callback::Event as Told;
use crate::webhooks::{Outcome, Protocol};

/// What became of a notification.
#[derive(Debug, Clone)]
pub struct Noticed {
    /// Its id in the journal.
    pub id: HookId,
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: Option<Reason>,
    /// The answer for its sender.
    pub answer: Answer,
    /// It is about a payment that we do not know, and that may become known yet: it is to come again.
    pub is_early: bool,
}

/// A notification, verified and read.
#[derive(Debug)]
pub struct Arrived<'a> {
    /// The configured payment system.
    pub gateway: &'a PartyName,
    /// Who we are there.
    pub account: &'a str,
    /// In whose words it is answered.
    pub protocol: &'a dyn Protocol,
    /// What it says.
    pub notice: &'a Notice,
    /// Its bytes.
    pub body: bytes::Bytes,
    /// Its sender is proved, by a signature or by the connection. Where an address is all there is, what fits nothing of
    /// ours is not kept.
    pub is_proved: bool,
}

/// How much is kept of a notification that nobody has proved, in bytes.
const UNPROVED_BYTES_KEPT_MAX: usize = 1024;

/// How long after we first heard of a payment that we do not know it may still become known, in seconds: a
/// notification can overtake what it is about, and is sent again if we ask for it.
const OVERTAKEN_SECONDS_MAX: u64 = 600;

/// Takes in a notification.
pub async fn receive_notice(shop: &Shop, incoming: &Arrived<'_>) -> Result<Noticed, Unavailable> {
    let Arrived { gateway, notice, body, is_proved, .. } = incoming;
    // A refund: it names the payment whose money went back.
    let is_of_another = notice.of_payment.as_deref().is_some_and(|of| !same_id(of, &notice.remote_id));
    let by_its_id = match notice.operation() {
        Some(_) => None,
        // A foreign number means somebody else's payment, except on the refund of a payment of ours: cabinets and other
        // programs put any number there.
        None if notice.number.is_empty() || is_of_another => find_by_its_id(shop, gateway, notice).await?,
        None => None,
    };
    let payment = by_its_id.or_else(|| notice.payment());
    let mut hook = Hook::new(
        (*gateway).clone(),
        "payment".into(),
        None,
        ExternalId::parse(&notice.number),
        body.clone(),
    );
    if !is_proved {
        hook.body.truncate(UNPROVED_BYTES_KEPT_MAX);
    }
    let about = About { incoming, payment, by_its_id, hook, look_wait: OnceLock::new() };
    let received = transact(shop, "receive_notice", |tx| about.decide(tx)).await;
    if let (Err(_), Some(payment), Some(Some(_))) = (&received, payment, about.look_wait.get()) {
        shop.hints.forget((payment, notice.operation()));
    }
    received
}

/// A notification with what it is about.
struct About<'a> {
    incoming: &'a Arrived<'a>,
    /// The payment, by its number or its id.
    payment: Option<PaymentId>,
    /// The payment, if it is known by its id alone.
    by_its_id: Option<PaymentId>,
    /// As the journal keeps it.
    hook: Hook,
    /// When the payment system is to be asked because of it, if it is.
    look_wait: OnceLock<Option<Duration>>,
}

impl About<'_> {
    /// One run: judges it by what is stored, and records what it means.
    async fn decide<'a>(&'a self, mut tx: Transaction<'a>) -> Result<Staged<'a, Noticed>, Unavailable> {
        let Arrived { gateway, account, notice, body, .. } = self.incoming;
        let store = &tx.services.store;
        let record = match self.payment {
            Some(id) => {
                let mut record = load_kept_record(store, id.number).await?;
                if let Some(record) = &mut record {
                    fetch_bill(store, record, id).await?;
                }
                record
            }
            None => None,
        };
        let checkout = record.as_ref().and_then(|record| record.checkout.as_deref());
        let own = checkout.filter(|checkout| checkout.gateway == **gateway);
        let judgement = match (notice.judge(account, own), self.by_its_id) {
            (Judgement::NotFound | Judgement::Recorded(_), Some(payment)) => {
                Judgement::Recorded(Recorded::ByRemoteId { payment })
            }
            (Judgement::NotFound, None) if notice.number.is_empty() => {
                // Somebody else's affair at the same payment system: it is counted, and not kept.
                let (id, reason) = (key::orphan(gateway, body), Some(Reason::NotOurs));
                return Ok(Staged::Unchanged(self.noticed(
                    id,
                    Verdict::Ignored,
                    reason,
                    &Judgement::NotOurs,
                    false,
                )));
            }
            (judgement, _) => judgement,
        };
        if let (Judgement::Pays(payment) | Judgement::PaysOld(payment, _), Some(own)) = (&judgement, own)
            && own.payments.iter().any(|known| known.id == *payment && known.remote.is_none())
        {
            remember(tx.services, gateway, &notice.remote_id, payment.number).await?;
        }
        // A notification of ours lies with its order, any other by itself.
        let id = match (&record, self.payment) {
            (Some(_), Some(payment)) => key::of_order(payment.number, gateway, "payment", body),
            (_, _) => key::orphan(gateway, body),
        };
        let known = load_kept_entry(&tx.services.store, id).await?;
        let billed = record.and_then(OrderRecord::billed);
        let Some((verdict, reason)) = self.apply(&mut tx, id, &judgement, billed, known.is_some()) else {
            let reason = Some(Reason::LookedAtAlready);
            return Ok(Staged::Unchanged(self.noticed(id, Verdict::Replayed, reason, &judgement, false)));
        };
        Ok(self.keep(tx, id, known, &judgement, verdict, reason))
    }

    /// Puts into the transaction what follows. None if it says nothing that is not looked at already.
    fn apply(
        &self,
        tx: &mut Transaction<'_>,
        id: HookId,
        judgement: &Judgement,
        billed: Option<BilledOrder>,
        is_known: bool,
    ) -> Option<(Verdict, Option<Reason>)> {
        let (notice, payment) = (self.incoming.notice, self.payment);
        Some(match (judgement, billed) {
            (Judgement::Pays(payment), Some(billed)) => {
                tx.tell_followers(payment.number);
                let remote_id = Some(notice.remote_id.clone());
                tx.pay(billed, MoneyCame { payment: *payment, event: id, remote_id });
                (Verdict::Applied, None)
            }
            (Judgement::PaysOld(payment, why), Some(billed)) => {
                tx.tell_followers(payment.number);
                tx.keep_money(billed, *payment, &notice.remote_id, why.clone());
                (Verdict::Late, Some(Reason::UnwantedMoney { payment: *payment, reason: why.clone() }))
            }
            (Judgement::Repeated(payment), _) => {
                (Verdict::Replayed, Some(Reason::KnownPaid { payment: *payment }))
            }
            (Judgement::AlreadyPaid(paid), Some(billed)) => {
                let (paid, number, remote_id) = (*paid, notice.number.clone(), notice.remote_id.clone());
                let note = PaymentNote::PaidTwice { paid, number, remote_id };
                flag(tx, billed, payment, note.clone());
                (Verdict::Rejected, Some(Reason::Payment { payment, note }))
            }
            (
                Judgement::WrongAmount(why) | Judgement::WrongCurrency(why) | Judgement::OtherOrder(why),
                Some(billed),
            ) => {
                let (number, mismatch) = (notice.number.clone(), why.clone());
                let note = PaymentNote::NoticeMismatch { number, mismatch };
                flag(tx, billed, payment, note.clone());
                (Verdict::Rejected, Some(Reason::Payment { payment, note }))
            }
            (Judgement::Recorded(why), billed) => {
                if let (Some(billed), Some(payment), false) = (billed, payment, is_known)
                    && !self.ask(tx, billed, payment)
                    && !self.incoming.is_proved
                {
                    return None;
                }
                (Verdict::Ignored, Some(Reason::Recorded { what: why.clone() }))
            }
            (
                Judgement::Stranger(mismatch)
                | Judgement::OtherOrder(mismatch)
                | Judgement::WrongAmount(mismatch)
                | Judgement::WrongCurrency(mismatch),
                None,
            )
            | (Judgement::Stranger(mismatch), Some(_)) => {
                (Verdict::Rejected, Some(Reason::Mismatch { mismatch: mismatch.clone() }))
            }
            (
                Judgement::NotFound
                | Judgement::NotOurs
                | Judgement::PaysOld(..)
                | Judgement::Pays(_)
                | Judgement::AlreadyPaid(_),
                _,
            ) => (Verdict::Rejected, Some(Reason::NoPayment { number: notice.number.clone() })),
        })
    }

    /// Has the payment system asked what has happened. Says whether there is anything to ask.
    fn ask(&self, tx: &mut Transaction<'_>, billed: BilledOrder, payment: PaymentId) -> bool {
        let operation = self.incoming.notice.operation();
        // A signed one comes once. Of the others many may be invented.
        let wait = if self.incoming.is_proved {
            Some(Duration::ZERO)
        } else {
            *self.look_wait.get_or_init(|| tx.services.hints.wait((payment, operation), tx.now))
        };
        let hinted = Hinted { payment, operation, is_outside_refund: self.by_its_id.is_some() };
        wait.is_some_and(|wait| look(tx, billed, hinted, wait))
    }

    /// Keeps it in the journal, where that is news.
    fn keep<'a>(
        &self,
        mut tx: Transaction<'a>,
        id: HookId,
        known: Option<Versioned<JournalEntry>>,
        judgement: &Judgement,
        verdict: Verdict,
        reason: Option<Reason>,
    ) -> Staged<'a, Noticed> {
        let Arrived { notice, body, is_proved, .. } = self.incoming;
        let now = tx.now;
        let mut entry = entry_of(&self.hook, id, now);
        if let Some(known) = &known {
            entry.record.received_at = known.record.received_at;
        }
        let is_kept = *is_proved || verdict != Verdict::Rejected;
        let age = if is_kept {
            Some(between(entry.record.received_at, now))
        } else {
            notice.made_at.map(|made_at| between(made_at, now))
        };
        let is_young = age.is_some_and(|age| age < Duration::from_secs(OVERTAKEN_SECONDS_MAX));
        entry.body_bytes = body.len() as u64;
        entry.record.number = self.payment.map(|payment| payment.number);
        entry.record.verdict = verdict;
        entry.reasons.extend(reason.clone());
        entry.facts = tx.facts();
        // What a notification means is judged each time it comes, as the payment may have become known meanwhile. The
        // journal is written again when that makes a difference, and not for a mere repeat.
        let noticed = self.noticed(id, verdict, reason, judgement, is_young);
        if !is_kept && tx.batch().is_empty() {
            return Staged::Unchanged(noticed);
        }
        let is_news = known
            .as_ref()
            .is_none_or(|known| known.record.verdict != verdict && verdict != Verdict::Replayed);
        if is_news {
            let received_at = entry.record.received_at;
            let entry = match known {
                Some(known) => known.replaced(entry),
                None => Versioned::new(entry, received_at),
            };
            entry.stage(tx.batch());
        }
        tx.commit(noticed)
    }

    /// What became of it, with the answer in the sender's words.
    fn noticed(
        &self,
        id: HookId,
        verdict: Verdict,
        reason: Option<Reason>,
        judgement: &Judgement,
        may_become_known: bool,
    ) -> Noticed {
        let outcome = Outcome::Payment { judgement, may_become_known };
        let is_early = may_become_known && *judgement == Judgement::NotFound;
        let own = self.incoming.protocol.answer(outcome);
        let answer = own.unwrap_or_else(|| {
            let status = if is_early { 503 } else { 200 }; // so that it comes again
            Answer { status, ..Answer::empty() }
        });
        Noticed { id, verdict, reason, answer, is_early }
    }
}

/// The payment of ours that a notification is about which bears no number of ours, by the payment system's id.
async fn find_by_its_id(
    shop: &Shop,
    gateway: &PartyName,
    notice: &Notice,
) -> Result<Option<PaymentId>, Unavailable> {
    let Some(remote_id) = notice.of_payment.as_deref().filter(|_| !notice.is_test) else { return Ok(None) };
    let Some(number) = order_of(shop, gateway, remote_id).await? else { return Ok(None) };
    let checkout = checkout_of(shop, number).await?.filter(|checkout| checkout.gateway == *gateway);
    let is_it = |payment: &&Payment| {
        let ids = payment.remote.iter().map(|remote| &remote.id).chain(&payment.paid_under);
        ids.into_iter().any(|known| same_id(known, remote_id))
    };
    Ok(checkout.and_then(|checkout| checkout.payments.iter().find(is_it).map(|payment| payment.id)))
}

/// What a notification is about that does not say that money came.
#[derive(Debug, Clone, Copy)]
struct Hinted {
    payment: PaymentId,
    operation: Option<OperationId>,
    /// It bears no number of ours: somebody has paid money back over there, perhaps.
    is_outside_refund: bool,
}

/// Something has happened to a payment that does not make it paid, or to what is done with its money: the payment system
/// is asked what, after `wait`. Says whether there is anything to ask.
fn look(tx: &mut Transaction<'_>, billed: BilledOrder, hinted: Hinted, wait: Duration) -> bool {
    let mut billed = billed;
    let Hinted { payment, operation, is_outside_refund } = hinted;
    match operation {
        // One whose outcome is not known is looked for anyway; one that is being asked for may be answered "not yet".
        Some(operation) => {
            let Some(delay) = billed.checkout.operation_awaits(operation) else { return false };
            tx.watch(&mut billed, Task::Operation { operation }, delay.max(wait));
        }
        None => {
            let mut payments = billed.checkout.payments.iter();
            let is_live = payments.any(|known| known.id == payment && known.is_live());
            if is_live && wait.is_zero() {
                tx.start(&mut billed, Task::Payment { payment });
            } else if is_live {
                tx.watch(&mut billed, Task::Payment { payment }, wait);
            }
            // Perhaps before we have heard that the money came.
            if is_outside_refund {
                tx.watch(&mut billed, Task::Refunds { payment }, wait);
            }
            if !is_live && !is_outside_refund {
                return false;
            }
        }
    }
    billed.order.stage(tx.batch());
    true
}

/// Whether what is to be paid over there is not what was asked for: then money that does not fit is what came.
fn is_frozen(billed: &BilledOrder, id: PaymentId) -> bool {
    let mut payments = billed.checkout.payments.iter();
    payments.any(|payment| payment.id == id && matches!(payment.state, PaymentState::Frozen { .. }))
}

/// Puts something before a person, once. The merchant of a payment that is frozen hears that its money waits for that
/// person's word.
fn flag(tx: &mut Transaction<'_>, billed: BilledOrder, id: Option<PaymentId>, note: PaymentNote) {
    let mut billed = billed;
    if !tx.flag_payment(&mut billed, id, note) {
        return;
    }
    let about = EventAbout { payment: id, operation: None };
    if id.is_some_and(|id| is_frozen(&billed, id))
        && tx.notify_merchant(&mut billed, Told::PaymentReview, about)
    {
        billed.order.stage(tx.batch());
    }
    billed.checkout.stage(tx.batch());
}

/// The id under which a payment that was found paid by a look-up stands among the order's events.
pub(super) fn of_look_up(id: PaymentId) -> HookId {
    let fingerprint = Fingerprint::of(&[b"paid by look-up", id.to_string().as_bytes()]);
    HookId { partition: id.number.partition(), fingerprint }
}
