//! Records what the payment worker does around its calls to the payment system.
//!
//! Before a call, it records that the call is about to be made, with the exact
//! bytes. After it, it records the outcome, and settles the task in the same
//! batch. In between it holds nothing but a lease, so a process may die at any
//! point; the process that takes over the task finds a payment that shows how
//! far it had come.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::effects::{EventSubject, MoneyCame, Task, end_of};
use super::receive_notification::of_look_up;
use super::transaction::{self, Staged, Transaction, Versioned, commit_once, transact};
use super::{BilledOrder, OrderRecord, Services, fetch_bill, load_record};
use crate::kernel::time::between;
use crate::kernel::{Private, Timestamp};
use crate::orders::Number;
use crate::outbox::{Settlement, Ticket};
use crate::payments::{
    Attempt, Checkout, Operator, OperatorAction, Payment, PaymentId, PaymentNote, PaymentOutcome,
    PaymentState, RetryLater, RetryReason, Step,
};
use crate::store::{Batch, CommitError, Unavailable};
use crate::views::callback::Event;

/// The time before a payment is looked up again whose money is being captured.
const CAPTURE_LOOK_GAP: Duration = Duration::from_secs(600);

/// Decides how a task is settled, given what remains to be done.
pub type Settle<'a> = &'a (dyn Fn(Option<&RetryLater>) -> Settlement + Sync);

/// What a caller is about to record before a call. If the outcome of that
/// commit is unknown, the stored state shows whether the commit was its own;
/// then nobody has made the call yet.
#[derive(Debug)]
pub struct Intention<T>(Mutex<Option<T>>);

impl<T> Default for Intention<T> {
    fn default() -> Intention<T> {
        Intention(Mutex::new(None))
    }
}

impl<T: PartialEq> Intention<T> {
    /// Remembers what is about to be recorded.
    pub(super) fn is(&self, intended: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(intended);
    }

    /// Whether this is what was about to be recorded.
    pub(super) fn was(&self, stored: &T) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(stored)
    }
}

/// Records that the request is about to be sent. Returns the bytes to send,
/// which are those of the first attempt; `None` if the payment has changed in
/// the meantime and must be read again. After an error the caller may try again
/// with the same `intention`.
pub async fn note_sending(
    services: &Services,
    seen: &Payment,
    request: Private,
    intention: &Intention<Payment>,
) -> Result<Option<Private>, Unavailable> {
    let found = load_record(&services.store, seen.id.number).await?;
    let Some(mut checkout) = found.and_then(|record| record.checkout) else { return Ok(None) };
    let now = services.clock.now();
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
    Ok(keep_sending(services, &checkout).await?.then_some(bytes).flatten())
}

/// Commits what is recorded before a call. Returns `false` if something has
/// changed since it was read.
pub(super) async fn keep_sending(
    services: &Services,
    checkout: &Versioned<Checkout>,
) -> Result<bool, Unavailable> {
    let mut batch = Batch::new();
    checkout.stage(&mut batch);
    commit_once(&services.store, batch).await
}

/// Records the outcome of a call, or that there was nothing to do, and settles
/// the task in the same batch. `settle` decides how, given what remains to be
/// done.
pub async fn record(
    services: &Services,
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
        // The watch continues: if the capture has no result, the payment must
        // be looked up again.
        Err(RetryLater { after: Some(CAPTURE_LOOK_GAP), reason: RetryReason::BeingCaptured })
    };
    let stage = |tx: &mut Transaction<'_>, mut billed: BilledOrder| {
        if let Some(outcome) = outcome {
            note_update(&mut billed.checkout, id, outcome, tx.now);
        }
        // This look-up was in progress when a capture was planned: the outcome
        // of the capture itself says what was taken.
        let is_being_captured = billed.checkout.is_being_captured(id);
        let change: Change<'_> = if is_being_captured { &unchanged } else { &change };
        stage(tx, billed, id, change, settle)
    };
    settle_task(services, id, ticket, settle, stage).await
}

/// Records that a person has verified that a payment under review can never be
/// paid. Returns `false` if no such payment needs review, or its money came.
pub async fn drop_by_hand(
    services: &Services,
    id: PaymentId,
    operator: &Operator,
) -> Result<bool, Unavailable> {
    let waits = |checkout: &Checkout| {
        let found = checkout.payment(id);
        found.is_some_and(|payment| {
            payment.is_under_review() && !payment.has_own_money_under_review()
        })
    };
    let change = |payment: &mut Payment, now| {
        payment.state = PaymentState::Cancelled { at: now };
        Ok(())
    };
    let stage = |tx: &mut Transaction<'_>, mut billed: BilledOrder, settle: Settle<'_>| {
        billed.checkout.resolve(id);
        let note = PaymentNote::by_operator(OperatorAction::Drop, None, operator);
        billed.checkout.note(tx.now, Some(id), note);
        stage(tx, billed, id, &change, settle)
    };
    by_hand(services, id.number, waits, stage).await
}

/// Commits what `stage` makes of a person's decision, if something of the order
/// `waits` for it. There is no task to settle.
pub(super) async fn by_hand(
    services: &Services,
    number: Number,
    waits: impl Fn(&Checkout) -> bool,
    stage: impl Fn(&mut Transaction<'_>, BilledOrder, Settle<'_>) -> Settlement,
) -> Result<bool, Unavailable> {
    let settle = |_: Option<&RetryLater>| Settlement::Sent;
    let (waits, stage, settle) = (&waits, &stage, &settle);
    transact(services, "decide_by_hand", |mut tx| async move {
        let billed = load_record(&services.store, number).await?.and_then(OrderRecord::billed);
        let Some(billed) = billed.filter(|billed| waits(&billed.checkout)) else {
            return Ok(Staged::Unchanged(false));
        };
        stage(&mut tx, billed, settle);
        tx.wake_watchers(number);
        Ok(tx.commit(true))
    })
    .await
}

/// Commits what `stage` makes of the outcome of a call about a payment, with
/// the settlement of its task. If there is no such order, `settle` alone
/// decides how the task is settled.
pub(super) async fn settle_task(
    services: &Services,
    payment: PaymentId,
    ticket: Ticket,
    settle: Settle<'_>,
    stage: impl Fn(&mut Transaction<'_>, BilledOrder) -> Settlement,
) -> Result<Settlement, CommitError> {
    let (stage, number) = (&stage, payment.number);
    transaction::settle(services, "settle_task", |mut tx| async move {
        let mut found = load_record(&services.store, number).await?;
        if let Some(record) = &mut found {
            fetch_bill(&services.store, record, payment).await?;
        }
        let settlement = match found.and_then(OrderRecord::billed) {
            Some(billed) => stage(&mut tx, billed),
            None => settle(None),
        };
        tx.settle(ticket, settlement.clone());
        tx.wake_watchers(number);
        Ok(tx.commit(settlement))
    })
    .await
}

/// A change of a payment. The error says what remains to be done.
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
        end_unpaid(tx, billed);
        return settle(None);
    };
    let before = payment.clone();
    let outcome = change(payment, now);
    let after = payment.clone();
    let settlement = settle(outcome.as_ref().err());
    let is_given_up = matches!(settlement, Settlement::Dead { .. });
    let is_over = before.state == after.state && billed.checkout.ended_without_callback(id, now);
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
    checkout.end_pending_update(id, now);
    let (mut stopped, mut review) = (Vec::new(), None);
    if after.was_paid() && !before.was_paid() {
        match after.superseded.clone() {
            None => {
                checkout.resolve_mismatches(id);
                let remote_id = after.remote.map(|remote| remote.id);
                tx.pay(billed, MoneyCame { payment: id, event: of_look_up(id), remote_id });
                return settlement;
            }
            Some(reason) => {
                stopped = checkout.cancel_open_payments(now);
                checkout.flag(now, Some(id), PaymentNote::UnwantedMoney { reason });
                review = Some(Event::PaymentReview);
            }
        }
    }
    if after.money_under_review().is_some() && before.money_under_review().is_none() {
        stopped = checkout.cancel_open_payments(now);
        review = Some(Event::PaymentReview);
    }
    let end = review.or_else(|| {
        if is_over { Some(Event::PaymentExpired) } else { end_of(&before, &after, checkout, now) }
    });
    if end == Some(Event::PaymentExpired)
        && let Some(payment) = checkout.payment_mut(id)
    {
        payment.end_is_reported = true;
    }
    let follow_up = checkout.follow_up(now);
    let messages = billed.order.messages;
    end.map(|event| tx.notify_merchant(&mut billed, event, EventSubject::payment(id)));
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

/// Handles a payment that was to be created when its buyer asks to pay: the
/// time for that may be over.
fn end_unpaid(tx: &mut Transaction<'_>, mut billed: BilledOrder) {
    let now = tx.now;
    if billed.checkout.ends_unpaid(now) {
        billed.checkout.note(now, None, PaymentNote::EndedUnrequested);
        tx.notify_merchant(&mut billed, Event::PaymentExpired, EventSubject::default());
        billed.write(tx);
    }
}

/// Schedules look-ups or an update of a payment that has changed from `before`
/// to `after`.
fn look_after(
    tx: &mut Transaction<'_>,
    billed: &mut BilledOrder,
    before: &Payment,
    after: &Payment,
) {
    let (now, payment) = (tx.now, after.id);
    // A payment that can be paid is watched from then on, whatever else remains
    // to be done.
    let waits = |payment: &Payment| {
        let is_open =
            matches!(payment.state, PaymentState::Linked { .. } | PaymentState::Held { .. });
        is_open && payment.superseded.is_none()
    };
    let begins = waits(after) && !waits(before);
    // Its expiry is now earlier than the next look-up may be.
    let ends_earlier = waits(after) && after.bill.expires_at < before.bill.expires_at;
    if begins || ends_earlier {
        tx.watch(billed, Task::Payment { payment }, after.look_gap(Duration::ZERO, now));
    }
    // The payment has ended before the time of its order: a buyer who comes to
    // pay gets another one. If none comes, the order expires at that time.
    if before.state != after.state && billed.checkout.is_renewable(now) {
        tx.watch(billed, Task::Payment { payment }, between(now, after.bill.expires_at));
    }
    if after.is_under_review() && !before.is_under_review() && after.may_have_changed() {
        tx.watch(billed, Task::Look { payment }, after.look_gap(Duration::ZERO, now));
    }
    // A person has dropped it. Should it be paid all the same, its money must
    // not go unnoticed.
    if before.is_under_review()
        && !after.is_under_review()
        && after.may_have_changed()
        && let Some(wait) = after.until_over(now)
    {
        tx.watch(billed, Task::Look { payment }, wait);
    }
    // Money that is held although the payment had ended is released.
    if after.is_held() && !before.is_live() {
        tx.start(billed, Task::Payment { payment });
    }
    let is_news = before.step(now) != Step::Update || after.pending_update != before.pending_update;
    if after.step(now) == Step::Update && is_news {
        tx.watch(billed, Task::PendingUpdate { payment }, Duration::ZERO);
    }
}

/// Records the outcome of an update, if there was one.
fn note_update(checkout: &mut Checkout, id: PaymentId, outcome: &PaymentOutcome, now: Timestamp) {
    match outcome {
        PaymentOutcome::Updated(..) => checkout.update_done(id, now),
        PaymentOutcome::NotUpdated(None, _) => {
            checkout.note(now, Some(id), PaymentNote::UpdateNotSupported)
        }
        PaymentOutcome::NotUpdated(Some(reason), _) => {
            checkout.update_refused(id, reason.clone(), now)
        }
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
        PaymentState::Linked { .. } => {
            checkout.note(now, id, PaymentNote::PaymentLinked { remote_id })
        }
        PaymentState::Held { .. } => checkout.note(now, id, PaymentNote::PaymentHeld { remote_id }),
        PaymentState::Paid { .. } => {
            checkout.note(now, id, PaymentNote::PaymentFoundPaid { remote_id })
        }
        PaymentState::Refused { reason, .. } => {
            checkout.flag(now, id, PaymentNote::PaymentRefused { reason: reason.clone() });
        }
        PaymentState::NeedsReview { mismatch, .. } => {
            checkout.flag(now, id, PaymentNote::PaymentNeedsReview { mismatch: mismatch.clone() });
        }
        PaymentState::Cancelled { .. } => checkout.note(now, id, PaymentNote::PaymentCancelled),
        PaymentState::Expired { .. } => checkout.note(now, id, PaymentNote::PaymentExpired),
    }
}
