//! Receives notifications of payment systems: applies them, once, as far as
//! they match the stored payments.

use std::sync::OnceLock;
use std::time::Duration;

use super::alias::{order_of, remember};
use super::effects::{EventSubject as EventAbout, MoneyCame, Task};
use super::transaction::{Staged, Transaction, Versioned, transact};
use super::{
    BilledOrder, Hook, OrderRecord, Services, checkout_of, entry_of, fetch_bill, load_kept_entry,
    load_kept_record,
};
use crate::dedup::{Answer, JournalEntry, Reason, Verdict, key};
use crate::kernel::time::between;
use crate::kernel::{ExternalId, Fingerprint, HookId, PartyName, same_id};
use crate::payments::{
    Notification, NotificationVerdict, OperationId, Payment, PaymentId, PaymentNote, Recorded,
};
use crate::store::{Store, Unavailable};
use crate::views::callback::Event as CallbackEvent;
use crate::webhooks::{Outcome, Protocol};

/// The result of processing a notification.
#[derive(Debug, Clone)]
pub struct NotificationReceived {
    /// Its id in the journal.
    pub id: HookId,
    pub verdict: Verdict,
    pub reason: Option<Reason>,
    /// The answer to its sender.
    pub answer: Answer,
    /// Whether it is about an unknown payment that may still become known, so
    /// that it should be sent again.
    pub is_early: bool,
}

/// A notification that was verified and read.
#[derive(Debug)]
pub struct Arrived<'a> {
    /// The configured payment system.
    pub gateway: &'a PartyName,
    /// Our account at the payment system.
    pub account: &'a str,
    /// The protocol in which it is answered.
    pub protocol: &'a dyn Protocol,
    /// The content of the notification.
    pub notification: &'a Notification,
    /// The body of the notification.
    pub body: bytes::Bytes,
    /// Whether its sender is authenticated, by a signature or by the
    /// connection. If only the address is known, a notification that matches
    /// nothing is not stored.
    pub is_proved: bool,
}

/// How much of the notification of an unauthenticated sender is stored, in
/// bytes.
const UNPROVED_BYTES_KEPT_MAX: usize = 1024;

/// How long an unknown payment may still become known after the first
/// notification about it, in seconds. A notification can arrive before the
/// payment that it is about is stored, and is sent again on request.
const OVERTAKEN_SECONDS_MAX: u64 = 600;

/// Processes a notification.
pub async fn receive_notification(
    services: &Services,
    incoming: &Arrived<'_>,
) -> Result<NotificationReceived, Unavailable> {
    let Arrived { gateway, notification, body, is_proved, .. } = incoming;
    // A refund names the payment whose money went back.
    let is_of_another =
        notification.of_payment.as_deref().is_some_and(|of| !same_id(of, &notification.remote_id));
    let by_its_id = match notification.operation() {
        Some(_) => None,
        // A foreign number means a payment of somebody else, except for the
        // refund of a payment of ours: payment systems' account pages and other
        // programs use any number for it.
        None if notification.number.is_empty() || is_of_another => {
            find_by_its_id(services, gateway, notification).await?
        }
        None => None,
    };
    let payment = by_its_id.or_else(|| notification.payment());
    let mut hook = Hook::new(
        (*gateway).clone(),
        "payment".into(),
        None,
        ExternalId::parse(&notification.number),
        body.clone(),
    );
    if !is_proved {
        hook.body.truncate(UNPROVED_BYTES_KEPT_MAX);
    }
    let about = EventSubject { incoming, payment, by_its_id, hook, look_wait: OnceLock::new() };
    let received = transact(services, "receive_notice", |tx| about.decide(tx)).await;
    if let (Err(_), Some(payment), Some(Some(_))) = (&received, payment, about.look_wait.get()) {
        services.hints.forget((payment, notification.operation()));
    }
    received
}

/// A notification with its subject.
struct EventSubject<'a> {
    incoming: &'a Arrived<'a>,
    /// The payment, found by its number or by its remote id.
    payment: Option<PaymentId>,
    /// The payment, if it was found by its remote id only.
    by_its_id: Option<PaymentId>,
    /// The hook for the journal.
    hook: Hook,
    /// How long to wait before the payment system is queried because of it;
    /// `None` if it is not.
    look_wait: OnceLock<Option<Duration>>,
}

impl EventSubject<'_> {
    /// The order of the payment, with the payment's bill.
    async fn record(&self, store: &Store) -> Result<Option<OrderRecord>, Unavailable> {
        let Some(id) = self.payment else { return Ok(None) };
        let mut record = load_kept_record(store, id.number).await?;
        if let Some(record) = &mut record {
            fetch_bill(store, record, id).await?;
        }
        Ok(record)
    }

    /// One run: gives a verdict on it, given the stored state, and stages its
    /// consequences.
    async fn decide<'a>(
        &'a self,
        mut tx: Transaction<'a>,
    ) -> Result<Staged<'a, NotificationReceived>, Unavailable> {
        let Arrived { gateway, account, notification, body, .. } = self.incoming;
        let store = &tx.services.store;
        let record = self.record(store).await?;
        let checkout = record.as_ref().and_then(|record| record.checkout.as_deref());
        let own = checkout.filter(|checkout| checkout.gateway == **gateway);
        let judgement = match (notification.judge(account, own), self.by_its_id) {
            (NotificationVerdict::NotFound | NotificationVerdict::Recorded(_), Some(payment)) => {
                NotificationVerdict::Recorded(Recorded::ByRemoteId { payment })
            }
            (NotificationVerdict::NotFound, None) if notification.number.is_empty() => {
                // It is about a payment of somebody else at the same payment
                // system: it is counted, but not stored.
                let (id, reason) = (key::orphan(gateway, body), Some(Reason::NotOurs));
                return Ok(Staged::Unchanged(self.received(
                    id,
                    Verdict::Ignored,
                    reason,
                    &NotificationVerdict::NotOurs,
                    false,
                )));
            }
            (judgement, _) => judgement,
        };
        if let (
            NotificationVerdict::Pays(payment) | NotificationVerdict::PaysOld(payment, _),
            Some(own),
        ) = (&judgement, own)
            && own.payments.iter().any(|known| known.id == *payment && known.remote.is_none())
        {
            remember(tx.services, gateway, &notification.remote_id, payment.number).await?;
        }
        // A notification about one of our payments is stored with its order,
        // any other by itself.
        let id = match (&record, self.payment) {
            (Some(_), Some(payment)) => key::of_order(payment.number, gateway, "payment", body),
            (_, _) => key::orphan(gateway, body),
        };
        let known = load_kept_entry(&tx.services.store, id).await?;
        let billed = record.and_then(OrderRecord::billed);
        let Some((verdict, reason)) = self.apply(&mut tx, id, &judgement, billed, known.is_some())
        else {
            let reason = Some(Reason::LookedAtAlready);
            return Ok(Staged::Unchanged(self.received(
                id,
                Verdict::Replayed,
                reason,
                &judgement,
                false,
            )));
        };
        Ok(self.keep(tx, id, known, &judgement, verdict, reason))
    }

    /// Stages the consequences. `None` if the notification only repeats a
    /// look-up that is already scheduled.
    fn apply(
        &self,
        tx: &mut Transaction<'_>,
        id: HookId,
        judgement: &NotificationVerdict,
        billed: Option<BilledOrder>,
        is_known: bool,
    ) -> Option<(Verdict, Option<Reason>)> {
        let (notification, payment) = (self.incoming.notification, self.payment);
        Some(match (judgement, billed) {
            (NotificationVerdict::Pays(payment), Some(billed)) => {
                tx.wake_watchers(payment.number);
                let remote_id = Some(notification.remote_id.clone());
                tx.pay(billed, MoneyCame { payment: *payment, event: id, remote_id });
                (Verdict::Applied, None)
            }
            (NotificationVerdict::PaysOld(payment, why), Some(billed)) => {
                tx.wake_watchers(payment.number);
                tx.keep_money(billed, *payment, &notification.remote_id, why.clone());
                (
                    Verdict::Late,
                    Some(Reason::UnwantedMoney { payment: *payment, reason: why.clone() }),
                )
            }
            (NotificationVerdict::Repeated(payment), _) => {
                (Verdict::Replayed, Some(Reason::KnownPaid { payment: *payment }))
            }
            (NotificationVerdict::AlreadyPaid(paid), Some(billed)) => {
                let (paid, number, remote_id) =
                    (*paid, notification.number.clone(), notification.remote_id.clone());
                let note = PaymentNote::PaidTwice { paid, number, remote_id };
                flag(tx, billed, payment, note.clone(), false);
                (Verdict::Rejected, Some(Reason::Payment { payment, note }))
            }
            (
                NotificationVerdict::WrongAmount(why)
                | NotificationVerdict::WrongCurrency(why)
                | NotificationVerdict::OtherOrder(why),
                Some(billed),
            ) => {
                let (number, mismatch) = (notification.number.clone(), why.clone());
                let note = PaymentNote::NotificationMismatch { number, mismatch };
                flag(tx, billed, payment, note.clone(), true);
                (Verdict::Rejected, Some(Reason::Payment { payment, note }))
            }
            (NotificationVerdict::Recorded(why), billed) => {
                if let (Some(billed), Some(payment), false) = (billed, payment, is_known)
                    && !self.ask(tx, billed, payment)
                    && !self.incoming.is_proved
                {
                    return None;
                }
                (Verdict::Ignored, Some(Reason::Recorded { what: why.clone() }))
            }
            (
                NotificationVerdict::Stranger(mismatch)
                | NotificationVerdict::OtherOrder(mismatch)
                | NotificationVerdict::WrongAmount(mismatch)
                | NotificationVerdict::WrongCurrency(mismatch),
                None,
            )
            | (NotificationVerdict::Stranger(mismatch), Some(_)) => {
                (Verdict::Rejected, Some(Reason::Mismatch { mismatch: mismatch.clone() }))
            }
            (
                NotificationVerdict::NotFound
                | NotificationVerdict::NotOurs
                | NotificationVerdict::PaysOld(..)
                | NotificationVerdict::Pays(_)
                | NotificationVerdict::AlreadyPaid(_),
                _,
            ) => {
                (Verdict::Rejected, Some(Reason::NoPayment { number: notification.number.clone() }))
            }
        })
    }

    /// Schedules a look-up at the payment system. Returns `false` if there is
    /// nothing to look up.
    fn ask(&self, tx: &mut Transaction<'_>, billed: BilledOrder, payment: PaymentId) -> bool {
        let operation = self.incoming.notification.operation();
        // An authenticated notification arrives once. Of the others, an
        // attacker can send any number.
        let wait = if self.incoming.is_proved {
            Some(Duration::ZERO)
        } else {
            *self.look_wait.get_or_init(|| tx.services.hints.wait((payment, operation), tx.now))
        };
        let hinted = Hinted { payment, operation, is_outside_refund: self.by_its_id.is_some() };
        wait.is_some_and(|wait| look(tx, billed, hinted, wait))
    }

    /// Stores it in the journal, if it is new.
    fn keep<'a>(
        &self,
        mut tx: Transaction<'a>,
        id: HookId,
        known: Option<Versioned<JournalEntry>>,
        judgement: &NotificationVerdict,
        verdict: Verdict,
        reason: Option<Reason>,
    ) -> Staged<'a, NotificationReceived> {
        let Arrived { notification, body, is_proved, .. } = self.incoming;
        let now = tx.now;
        let mut entry = entry_of(&self.hook, id, now);
        if let Some(known) = &known {
            entry.record.received_at = known.record.received_at;
        }
        let is_kept = *is_proved || verdict != Verdict::Rejected;
        let age = if is_kept {
            Some(between(entry.record.received_at, now))
        } else {
            notification.made_at.map(|made_at| between(made_at, now))
        };
        let is_young = age.is_some_and(|age| age < Duration::from_secs(OVERTAKEN_SECONDS_MAX));
        entry.body_bytes = body.len() as u64;
        entry.record.number = self.payment.map(|payment| payment.number);
        entry.record.verdict = verdict;
        entry.reasons.extend(reason.clone());
        entry.facts = tx.facts();
        // A notification gets a new verdict each time it arrives, because its
        // payment may have become known. The journal is written again only if
        // that changes the verdict, not for a mere repeat.
        let received = self.received(id, verdict, reason, judgement, is_young);
        if !is_kept && tx.batch().is_empty() {
            return Staged::Unchanged(received);
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
        tx.commit(received)
    }

    /// The result, with the answer in the protocol of the sender.
    fn received(
        &self,
        id: HookId,
        verdict: Verdict,
        reason: Option<Reason>,
        judgement: &NotificationVerdict,
        may_become_known: bool,
    ) -> NotificationReceived {
        let outcome = Outcome::Payment { judgement, may_become_known };
        let is_early = may_become_known && *judgement == NotificationVerdict::NotFound;
        let own = self.incoming.protocol.answer(outcome);
        let answer = own.unwrap_or_else(|| {
            let status = if is_early { 503 } else { 200 }; // so that it is sent again
            Answer { status, ..Answer::empty() }
        });
        NotificationReceived { id, verdict, reason, answer, is_early }
    }
}

/// Finds the payment for a notification without a number of ours, by the id of
/// the payment system.
async fn find_by_its_id(
    services: &Services,
    gateway: &PartyName,
    notification: &Notification,
) -> Result<Option<PaymentId>, Unavailable> {
    let Some(remote_id) = notification.of_payment.as_deref().filter(|_| !notification.is_test)
    else {
        return Ok(None);
    };
    let Some(number) = order_of(services, gateway, remote_id).await? else { return Ok(None) };
    let checkout =
        checkout_of(services, number).await?.filter(|checkout| checkout.gateway == *gateway);
    let is_it = |payment: &&Payment| {
        let ids = payment.remote.iter().map(|remote| &remote.id).chain(&payment.paid_under);
        ids.into_iter().any(|known| same_id(known, remote_id))
    };
    Ok(checkout.and_then(|checkout| checkout.payments.iter().find(is_it).map(|payment| payment.id)))
}

/// The subject of a notification that does not report money.
#[derive(Debug, Clone, Copy)]
struct Hinted {
    payment: PaymentId,
    operation: Option<OperationId>,
    /// Whether it has no number of ours: it may report a refund that somebody
    /// made at the payment system.
    is_outside_refund: bool,
}

/// Schedules a look-up, after `wait`, of what has happened to a payment or to
/// an operation with its money. Returns `false` if there is nothing to look up.
fn look(tx: &mut Transaction<'_>, billed: BilledOrder, hinted: Hinted, wait: Duration) -> bool {
    let mut billed = billed;
    let Hinted { payment, operation, is_outside_refund } = hinted;
    match operation {
        // An operation with an unknown outcome is looked up anyway. For one
        // that is being requested, the payment system may still answer "not
        // yet".
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
            // This may be before we know that the money has come.
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

/// Flags something for a person, once, and has the payment looked up if
/// `is_looked_up`. The merchant of a payment that needs review and cannot be
/// looked up is informed that its money waits for a decision.
fn flag(
    tx: &mut Transaction<'_>,
    billed: BilledOrder,
    id: Option<PaymentId>,
    note: PaymentNote,
    is_looked_up: bool,
) {
    let mut billed = billed;
    if !tx.flag_payment(&mut billed, id, note) {
        return;
    }
    let messages = billed.order.messages;
    let payment = billed.checkout.payments.iter().find(|payment| Some(payment.id) == id);
    if let Some(payment) = payment {
        let id = payment.id;
        let is_known = payment.remote.is_some() && !payment.was_paid();
        if is_known && is_looked_up {
            tx.start(&mut billed, Task::Look { payment: id });
        } else if payment.is_under_review() {
            tx.notify_merchant(&mut billed, CallbackEvent::PaymentReview, EventAbout::payment(id));
        }
    }
    if billed.order.messages != messages {
        billed.order.stage(tx.batch());
    }
    billed.checkout.stage(tx.batch());
}

/// The id of the order event for a payment that a look-up has found paid.
pub(super) fn of_look_up(id: PaymentId) -> HookId {
    let fingerprint = Fingerprint::of(&[b"paid by look-up", id.to_string().as_bytes()]);
    HookId { partition: id.number.partition(), fingerprint }
}
