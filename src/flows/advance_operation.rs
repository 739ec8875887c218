//! Records what the payment worker does around its calls about refunds,
//! captures and shipments. As with payments
//! ([`advance_payment`](super::advance_payment)): before a call that it is
//! about to be made, after it the outcome.

use super::advance_payment::{Intention, Settle, by_hand, keep_sending, settle_task};
use super::effects::{EventSubject, MoneyCame, Task};
use super::transaction::Transaction;
use super::{BilledOrder, Services, load_record};
use crate::kernel::{Fingerprint, HookId, Private, Timestamp};
use crate::outbox::{Settlement, Ticket};
use crate::payments::{
    Attempt, CallOutcome, Checkout, Operation, OperationId, OperationKind, OperationState,
    Operator, OperatorAction, PaymentNote, Refusal, RemoteOperation, RetryLater,
};
use crate::store::{CommitError, Unavailable};
use crate::views::callback::Event;

/// Records that the request is about to be sent. Returns the bytes to send,
/// which are those of the first attempt; `None` if the operation has changed in
/// the meantime. After an error the caller may try again with the same
/// `intention`.
pub async fn note_sending(
    services: &Services,
    seen: &Operation,
    request: Private,
    intention: &Intention<Operation>,
) -> Result<Option<Private>, Unavailable> {
    let number = seen.id.payment.number;
    let found = load_record(&services.store, number).await?;
    let Some(mut checkout) = found.and_then(|record| record.checkout) else { return Ok(None) };
    let now = services.clock.now();
    let Some(operation) = checkout.operation_mut(seen.id) else { return Ok(None) };
    if intention.was(operation) {
        return Ok(operation.request.clone());
    }
    if operation != seen {
        return Ok(None);
    }
    operation.sends(request, now);
    let bytes = operation.request.clone();
    intention.is(operation.clone());
    Ok(keep_sending(services, &checkout).await?.then_some(bytes).flatten())
}

/// Records the outcome of a call, or that there was nothing to do, and settles
/// the task in the same batch.
pub async fn record(
    services: &Services,
    id: OperationId,
    ticket: Ticket,
    outcome: Option<&CallOutcome<RemoteOperation>>,
    settle: Settle<'_>,
) -> Result<Settlement, CommitError> {
    let change = |operation: &mut Operation, now| match outcome {
        Some(outcome) => operation.take_outcome(outcome.clone(), now),
        None => Ok(()),
    };
    let stage = |tx: &mut Transaction<'_>, billed| stage(tx, billed, id, &change, settle);
    settle_task(services, id.payment, ticket, settle, stage).await
}

/// Records what a person has found out about an operation under review: it was
/// made, or it never will be. Returns `false` if no such operation needs
/// review.
pub async fn settle_by_hand(
    services: &Services,
    id: OperationId,
    is_done: bool,
    operator: &Operator,
) -> Result<bool, Unavailable> {
    let change = |operation: &mut Operation, now| {
        operation.state = if is_done {
            OperationState::Done { at: now }
        } else {
            OperationState::Refused { at: now, reason: Refusal::ByOperator }
        };
        Ok(())
    };
    let waits = |checkout: &Checkout| {
        let found = checkout.operations.iter().find(|operation| operation.id == id);
        found.is_some_and(|operation| matches!(operation.state, OperationState::NeedsReview { .. }))
    };
    let stage = |tx: &mut Transaction<'_>, mut billed: BilledOrder, settle: Settle<'_>| {
        billed.checkout.resolve(id.payment);
        let action = if is_done { OperatorAction::Done } else { OperatorAction::Drop };
        let note = PaymentNote::by_operator(action, Some(id), operator);
        billed.checkout.note(tx.now, Some(id.payment), note);
        stage(tx, billed, id, &change, settle)
    };
    by_hand(services, id.payment.number, waits, stage).await
}

/// Reports a shipment again, after a person has fixed the reason why the
/// payment system refused it. Returns `false` if it was not refused, or has
/// been reported again since.
pub async fn report_again(
    services: &Services,
    id: OperationId,
    operator: &Operator,
) -> Result<bool, Unavailable> {
    let waits = |checkout: &Checkout| {
        let mut of_kind =
            checkout.operations.iter().filter(|known| known.kind == OperationKind::Shipment);
        let was_refused = of_kind.clone().any(|known| known.id == id && !known.counts());
        was_refused && !of_kind.any(Operation::counts)
    };
    let stage = |tx: &mut Transaction<'_>, mut billed: BilledOrder, settle: Settle<'_>| {
        let note = PaymentNote::by_operator(OperatorAction::Retry, Some(id), operator);
        billed.checkout.note(tx.now, Some(id.payment), note);
        billed.checkout.resolve(id.payment);
        tx.ship(&mut billed);
        billed.write(tx);
        settle(None)
    };
    by_hand(services, id.payment.number, waits, stage).await
}

/// A change of an operation. The error says what remains to be done.
type Change<'a> = &'a dyn Fn(&mut Operation, Timestamp) -> Result<(), RetryLater>;

fn stage(
    tx: &mut Transaction<'_>,
    mut billed: BilledOrder,
    id: OperationId,
    change: Change<'_>,
    settle: Settle<'_>,
) -> Settlement {
    let now = tx.now;
    let Some(operation) = billed.checkout.operation_mut(id) else { return settle(None) };
    let before = operation.clone();
    let outcome = change(operation, now);
    let after = operation.clone();
    let settlement = settle(outcome.as_ref().err());
    let is_given_up = matches!(settlement, Settlement::Dead { .. });
    if after == before && !is_given_up {
        return settlement;
    }
    if let (true, Err(again)) = (is_given_up, &outcome) {
        let (operation_kind, reason) = (after.kind, again.reason.clone());
        let note = PaymentNote::OperationGivenUp { operation: id, operation_kind, reason };
        billed.checkout.flag(now, Some(id.payment), note);
    }
    if before.state != after.state {
        note(&mut billed.checkout, &after, outcome.as_ref().err(), now);
    }
    let messages = billed.order.messages;
    let is_watched = matches!(before.state, OperationState::Accepted { .. });
    let watch = outcome.as_ref().err().filter(|again| again.is_waiting() && !is_watched);
    if let Some(wait) = watch.and_then(|again| again.after) {
        tx.watch(&mut billed, Task::Operation { operation: id }, wait);
    }
    if after.kind == OperationKind::Capture && after.is_done() && !before.is_done() {
        take_captured(tx, billed, &after);
        return settlement;
    }
    if let Some(event) = event_of(&before, &after) {
        tx.notify_merchant(&mut billed, event, EventSubject::operation(id));
        if event == Event::RefundSucceeded {
            tx.ask_after_refund(&mut billed);
        } else if event == Event::RefundFailed {
            tx.ship(&mut billed); // a shipment in the meantime is paid after all, so it is reported
        }
    }
    if billed.order.messages != messages {
        billed.order.stage(tx.batch());
    }
    billed.checkout.stage(tx.batch());
    settlement
}

/// Handles a capture that was made: the payment is paid, unless that is already
/// known.
fn take_captured(tx: &mut Transaction<'_>, mut billed: BilledOrder, capture: &Operation) {
    let id = capture.id;
    let payment = billed.checkout.payment_mut(id.payment);
    let is_known = payment.is_none_or(|payment| {
        payment.captured = Some(capture.total).filter(|total| *total != payment.bill.total);
        payment.was_paid()
    });
    if is_known {
        billed.checkout.stage(tx.batch()); // all parties have been informed
        return;
    }
    let remote =
        billed.checkout.payment_mut(id.payment).and_then(|payment| payment.remote.as_ref());
    let remote_id = remote.map(|remote| remote.id.clone());
    let fingerprint = Fingerprint::of(&[b"captured", id.to_string().as_bytes()]);
    let event = HookId { partition: id.payment.number.partition(), fingerprint };
    tx.pay(billed, MoneyCame { payment: id.payment, event, remote_id });
}

/// The callback for this change, if there is one.
fn event_of(before: &Operation, after: &Operation) -> Option<Event> {
    if before.state == after.state {
        return None;
    }
    match (after.kind, &after.state) {
        (OperationKind::Refund, OperationState::Done { .. }) => Some(Event::RefundSucceeded),
        (OperationKind::Refund, OperationState::Refused { .. }) => Some(Event::RefundFailed),
        (OperationKind::Capture, OperationState::Refused { .. }) => Some(Event::CaptureFailed),
        (_, _) => None,
    }
}

fn note(checkout: &mut Checkout, after: &Operation, again: Option<&RetryLater>, now: Timestamp) {
    let (operation, payment, operation_kind, amount) =
        (after.id, after.id.payment, after.kind, after.total);
    match &after.state {
        OperationState::Planned | OperationState::Sending { .. } => {}
        OperationState::Unknown { looks: 0, .. } => {
            let reason = again.map(|again| again.reason.clone());
            let note = PaymentNote::OperationUnknown { operation, operation_kind, reason };
            checkout.note(now, Some(payment), note);
        }
        OperationState::Unknown { looks, .. } => {
            let note = PaymentNote::OperationNotFound { operation, operation_kind, looks: *looks };
            checkout.note(now, Some(payment), note);
        }
        OperationState::Accepted { .. } => {
            checkout.note(
                now,
                Some(payment),
                PaymentNote::OperationAccepted { operation, operation_kind },
            );
        }
        OperationState::Done { .. } => {
            let note = PaymentNote::OperationDone { operation, operation_kind, amount };
            checkout.note(now, Some(payment), note);
            let paid = checkout.payment_mut(payment).map(|payment| payment.taken());
            if after.kind == OperationKind::Refund && paid == Some(checkout.refunded(payment)) {
                checkout.resolve(payment); // the money that needed review has been refunded
            }
        }
        OperationState::Refused { reason: Refusal::ByOperator, .. } => {
            let note = PaymentNote::OperationDropped { operation, operation_kind, amount };
            checkout.note(now, Some(payment), note);
        }
        OperationState::Refused { reason, .. } => {
            let reason = reason.clone();
            let note = PaymentNote::OperationRefused { operation, operation_kind, amount, reason };
            checkout.flag(now, Some(payment), note);
        }
        OperationState::NeedsReview { mismatch, .. } => {
            let mismatch = mismatch.clone();
            let note = PaymentNote::OperationNeedsReview { operation, operation_kind, mismatch };
            checkout.flag(now, Some(payment), note);
        }
    }
}
