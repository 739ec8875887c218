//! What the collector writes down around its calls to the payment system.
//!
//! Before a call: that it is about to be made, with the very bytes. After it: what it came to, and in the same batch
//! that the task is settled. Between the two nothing is held but a lease, so a process may die at any point; whoever
//! takes the task over finds a payment that says how far it had come.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::effects::{About, MoneyCame, Task, end_of};
use super::receive_notice::of_look_up;
use super::transaction::{self, Staged, Transaction, Versioned, commit_once, transact};
use super::{BilledOrder, OrderRecord, Shop, fetch_bill, load_record};
use crate::kernel::time::between;
use crate::kernel::{Private, Timestamp};
use crate::orders::Number;
use crate::outbox::{Settlement, Ticket};
use crate::payments::{
    Attempt, Checkout, Payment, PaymentId, PaymentNote, PaymentOutcome, PaymentState, RetryLater,
    RetryReason, Step,
};
use crate::store::{Batch, CommitError, Unavailable};
use crate::views::callback::Event;

/// Before a payment is looked at again whose money is being taken.
const CAPTURE_LOOK_GAP: Duration = Duration::from_secs(600);

/// How a task is settled, given what is left to do.
pub type Settle<'a> = &'a (dyn Fn(Option<&RetryLater>) -> Settlement + Sync);

/// What one caller is about to write down before a call. When the outcome of that commit is not known, what is stored shows
/// whether it was its own: then nobody has called yet.
#[derive(Debug)]
pub struct Intention<T>(Mutex<Option<T>>);

impl<T> Default for Intention<T> {
    fn default() -> Intention<T> {
        Intention(Mutex::new(None))
    }
}

impl<T: PartialEq> Intention<T> {
    /// It is about to be written.
    pub(super) fn is(&self, intended: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(intended);
    }

    /// Whether this is what was about to be written.
    pub(super) fn was(&self, stored: &T) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(stored)
    }
}

/// Writes down that the request is about to be sent. Returns the bytes to send, which are those of the first attempt, or
/// none if the payment has changed meanwhile and is to be looked at again. After an error it may be asked again, with the same
/// `intention`.
pub async fn note_sending(
    shop: &Shop,
    seen: &Payment,
    request: Private,
    intention: &Intention<Payment>,
) -> Result<Option<Private>, Unavailable> {
    let found = load_record(&shop.store, seen.id.number).await?;
    let Some(mut checkout) = found.and_then(|record| record.checkout) else { return Ok(None) };
    let now = shop.clock.now();
    let Some(payment) = checkout.payment_mut(seen.id) else { return Ok(None) };
    if intention.was(payment) {
        return Ok(payment.request.clone());
    }
    if payment != seen {
        return Ok(None);
    }
    payment.sends(request, now);
    let bytes = payment.request.clone();
    intention.is(payment.clone());
    Ok(keep_sending(shop, &checkout).await?.then_some(bytes).flatten())
}

/// Commits what is written before a call. Says whether that was still to be done.
pub(super) async fn keep_sending(shop: &Shop, checkout: &Versioned<Checkout>) -> Result<bool, Unavailable> {
    let mut batch = Batch::new();
    checkout.stage(&mut batch);
    commit_once(&shop.store, batch).await
}

/// Writes down what a call came to, or that there was nothing to do, and settles the task in the same batch.
/// `settle` says how, given what is left to do.
pub async fn record(
    shop: &Shop,
    id: PaymentId,
    ticket: Ticket,
    outcome: Option<&PaymentOutcome>,
    settle: Settle<'_>,
) -> Result<Settlement, CommitError> {
    let change = |payment: &mut Payment, now| match outcome {
        Some(outcome) => payment.take_outcome(outcome.clone(), now),
        None => Ok(()),
    };
    let unchanged = |_: &mut Payment, _| {
        // The watch goes on: should nothing come of the capture, somebody must look again.
        Err(RetryLater { after: Some(CAPTURE_LOOK_GAP), reason: RetryReason::BeingCaptured })
    };
    let stage = |tx: &mut Transaction<'_>, mut billed: BilledOrder| {
        if let Some(outcome) = outcome {
            note_alteration(&mut billed.checkout, id, outcome, tx.now);
        }
        // A look that was under way when a capture was planned: the capture's own outcome says what was taken.
        let is_being_captured = billed.checkout.is_being_captured(id);
        let change: Change<'_> = if is_being_captured { &unchanged } else { &change };
        stage(tx, billed, id, change, settle)
    };
    settle_task(shop, id, ticket, settle, stage).await
}

/// A person has made sure that a payment which was put before them can never be paid. Says whether there was one that waited
/// for that word.
pub async fn drop_by_hand(shop: &Shop, id: PaymentId) -> Result<bool, Unavailable> {
    let waits = |checkout: &Checkout| {
        let found = checkout.payments.iter().find(|payment| payment.id == id);
        found.is_some_and(|payment| matches!(payment.state, PaymentState::Frozen { .. }))
    };
    let change = |payment: &mut Payment, now| {
        payment.state = PaymentState::Cancelled { at: now };
        Ok(())
    };
    let stage = |tx: &mut Transaction<'_>, mut billed: BilledOrder, settle: Settle<'_>| {
        billed.checkout.resolve(id);
        stage(tx, billed, id, &change, settle)
    };
    by_hand(shop, id.number, waits, stage).await
}

/// Commits what `stage` makes of a person's word, if something of the order `waits` for it. There is no task to settle.
pub(super) async fn by_hand(
    shop: &Shop,
    number: Number,
    waits: impl Fn(&Checkout) -> bool,
    stage: impl Fn(&mut Transaction<'_>, BilledOrder, Settle<'_>) -> Settlement,
) -> Result<bool, Unavailable> {
    let settle = |_: Option<&RetryLater>| Settlement::Sent;
    let (waits, stage, settle) = (&waits, &stage, &settle);
    transact(shop, "decide_by_hand", |mut tx| async move {
        let billed = load_record(&shop.store, number).await?.and_then(OrderRecord::billed);
        let Some(billed) = billed.filter(|billed| waits(&billed.checkout)) else {
            return Ok(Staged::Unchanged(false));
        };
        stage(&mut tx, billed, settle);
        tx.tell_followers(number);
        Ok(tx.commit(true))
    })
    .await
}

/// Commits what `stage` makes of what a call about a payment came to, with the settlement of its task. Where there is no
/// such order, `settle` alone says what becomes of the task.
pub(super) async fn settle_task(
    shop: &Shop,
    payment: PaymentId,
    ticket: Ticket,
    settle: Settle<'_>,
    stage: impl Fn(&mut Transaction<'_>, BilledOrder) -> Settlement,
) -> Result<Settlement, CommitError> {
    let (stage, number) = (&stage, payment.number);
    transaction::settle(shop, "settle_task", |mut tx| async move {
        let mut found = load_record(&shop.store, number).await?;
        if let Some(record) = &mut found {
            fetch_bill(&shop.store, record, payment).await?;
        }
        let settlement = match found.and_then(OrderRecord::billed) {
            Some(billed) => stage(&mut tx, billed),
            None => settle(None),
        };
        tx.settle(ticket, settlement.clone());
        tx.tell_followers(number);
        Ok(tx.commit(settlement))
    })
    .await
}

/// What happens to a payment. The error says what is left to do.
type Change<'a> = &'a (dyn Fn(&mut Payment, Timestamp) -> Result<(), RetryLater> + Sync);

fn stage(
    tx: &mut Transaction<'_>,
    mut billed: BilledOrder,
    id: PaymentId,
    change: Change<'_>,
    settle: Settle<'_>,
) -> Settlement {
    let now = tx.now;
    let Some(payment) = billed.checkout.payment_mut(id) else {
        end_unasked(tx, billed);
        return settle(None);
    };
    let before = payment.clone();
    let outcome = change(payment, now);
    let after = payment.clone();
    let settlement = settle(outcome.as_ref().err());
    let is_given_up = matches!(settlement, Settlement::Dead { .. });
    let is_over = before.state == after.state && billed.checkout.is_over_unheard(id, now);
    if after == before && !is_given_up && !is_over {
        return settlement;
    }
    let checkout = &mut billed.checkout;
    if let (true, Err(again)) = (is_given_up, &outcome) {
        checkout.flag(now, Some(id), PaymentNote::PaymentGivenUp { reason: again.reason.clone() });
    }
    if before.state != after.state {
        note(checkout, &after, outcome.as_ref().err(), now);
    }
    checkout.end_alteration(id, now);
    let (mut stopped, mut review) = (Vec::new(), None);
    if after.took_money() && !before.took_money() {
        match after.superseded.clone() {
            None => {
                let remote_id = after.remote.map(|remote| remote.id);
                tx.pay(billed, MoneyCame { payment: id, event: of_look_up(id), remote_id });
                return settlement;
            }
            Some(reason) => {
                stopped = checkout.stop_asking(now);
                checkout.flag(now, Some(id), PaymentNote::UnwantedMoney { reason });
                review = Some(Event::PaymentReview);
            }
        }
    }
    if before.state != after.state && after.is_frozen_with_money() {
        review = Some(Event::PaymentReview);
    }
    let end = review.or_else(|| {
        if is_over { Some(Event::PaymentExpired) } else { end_of(&before, &after, checkout, now) }
    });
    if end == Some(Event::PaymentExpired)
        && let Some(payment) = checkout.payment_mut(id)
    {
        payment.end_is_told = true;
    }
    let follow_up = checkout.follow_up(now);
    let messages = billed.order.messages;
    end.map(|event| tx.notify_merchant(&mut billed, event, About::payment(id)));
    tx.ship(&mut billed);
    tx.watch_end(&mut billed);
    look_after(tx, &mut billed, &before, &after);
    for payment in stopped.into_iter().chain(follow_up) {
        tx.start(&mut billed, Task::Payment { payment });
    }
    if billed.order.messages != messages {
        billed.order.stage(tx.batch());
    }
    billed.checkout.stage(tx.batch());
    settlement
}

/// A payment was to be made when its buyer asked to pay: the time for that may be over.
fn end_unasked(tx: &mut Transaction<'_>, mut billed: BilledOrder) {
    let now = tx.now;
    if billed.checkout.ends_unasked(now) {
        billed.checkout.note(now, None, PaymentNote::EndedUnasked);
        tx.notify_merchant(&mut billed, Event::PaymentExpired, About::default());
        billed.write(tx);
    }
}

/// Has a payment looked at again, or altered, that has changed from `before` to `after`.
fn look_after(tx: &mut Transaction<'_>, billed: &mut BilledOrder, before: &Payment, after: &Payment) {
    let (now, payment) = (tx.now, after.id);
    // Whoever can pay is looked after from then on, whatever else is to be done.
    let waits = |payment: &Payment| {
        let is_open = matches!(payment.state, PaymentState::Linked { .. } | PaymentState::Held { .. });
        is_open && payment.superseded.is_none()
    };
    let begins = waits(after) && !waits(before);
    // Its end has come nearer than the next look may be.
    let ends_earlier = waits(after) && after.bill.expires_at < before.bill.expires_at;
    if begins || ends_earlier {
        tx.watch(billed, Task::Payment { payment }, after.look_gap(Duration::ZERO, now));
    }
    // It has died before its order's time was over: who comes to pay gets another. If nobody does, it is over then.
    if before.state != after.state && billed.checkout.is_renewable(now) {
        tx.watch(billed, Task::Payment { payment }, between(now, after.bill.expires_at));
    }
    let is_news = before.step(now) != Step::Alter || after.alteration != before.alteration;
    if after.step(now) == Step::Alter && is_news {
        tx.watch(billed, Task::Alteration { payment }, Duration::ZERO);
    }
}

/// Writes down what became of an alteration, if the outcome is about one.
fn note_alteration(checkout: &mut Checkout, id: PaymentId, outcome: &PaymentOutcome, now: Timestamp) {
    match outcome {
        PaymentOutcome::Altered(..) => checkout.was_altered(id, now),
        PaymentOutcome::Unaltered(None, _) => checkout.note(now, Some(id), PaymentNote::NotAlterable),
        PaymentOutcome::Unaltered(Some(reason), _) => checkout.was_not_altered(id, reason.clone(), now),
        PaymentOutcome::Call(_) | PaymentOutcome::Dropped => {}
    }
}

fn note(checkout: &mut Checkout, payment: &Payment, again: Option<&RetryLater>, now: Timestamp) {
    let id = Some(payment.id);
    let remote_id = payment.remote.as_ref().map(|remote| remote.id.clone());
    match &payment.state {
        PaymentState::Planned | PaymentState::Sending { .. } => {}
        PaymentState::Unknown { looks: 0, .. } => {
            let reason = again.map(|again| again.reason.clone());
            checkout.note(now, id, PaymentNote::PaymentUnknown { reason });
        }
        PaymentState::Unknown { looks, .. } => {
            checkout.note(now, id, PaymentNote::PaymentNotFound { looks: *looks });
        }
        PaymentState::Linked { .. } => checkout.note(now, id, PaymentNote::PaymentLinked { remote_id }),
        PaymentState::Held { .. } => checkout.note(now, id, PaymentNote::PaymentHeld { remote_id }),
        PaymentState::Paid { .. } => checkout.note(now, id, PaymentNote::PaymentFoundPaid { remote_id }),
        PaymentState::Refused { reason, .. } => {
            checkout.flag(now, id, PaymentNote::PaymentRefused { reason: reason.clone() });
        }
        PaymentState::Frozen { mismatch, .. } => {
            checkout.flag(now, id, PaymentNote::PaymentFrozen { mismatch: mismatch.clone() });
        }
        PaymentState::Cancelled { .. } => checkout.note(now, id, PaymentNote::PaymentCancelled),
        PaymentState::Expired { .. } => checkout.note(now, id, PaymentNote::PaymentExpired),
    }
}
