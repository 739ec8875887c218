//! What the collector writes down around its calls about money that came: refunds, captures, shipments. As with payments
//! ([`tend_payment`](super::tend_payment)): before a call that it is about to be made, after it what it came to.

use super::bill_order::{send_task, ship, watch_end, watch_operation};
use super::call_back::{Event, call_back};
use super::receive_notice::pay;
use super::tend_payment::{Intention, Settle, by_hand, keep_sending, settle_with};
use super::{Dossier, Shop, load_dossier};
use crate::kernel::{Fingerprint, HookId, Private, Timestamp};
use crate::orders::Order;
use crate::payments::{
    Again, Answered, Checkout, Operation, OperationId, OperationKind, OperationState, RemoteOperation,
};
use crate::store::{Batch, CommitError, DocKey, Expect, Settlement, Ticket, Unavailable};

/// Writes down that the request is about to be sent. Returns the bytes to send, which are those of the first attempt, or
/// none if the operation has changed meanwhile. After an error it may be asked again, with the same `intention`.
pub async fn note_sending(
    shop: &Shop,
    seen: &Operation,
    request: Private,
    intention: &Intention<Operation>,
) -> Result<Option<Private>, Unavailable> {
    let number = seen.id.payment.number;
    let found = load_dossier(&shop.store, number).await?;
    let Some((mut checkout, version)) = found.and_then(|dossier| dossier.checkout) else { return Ok(None) };
    let now = shop.clock.now();
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
    Ok(keep_sending(shop, &checkout, version, now).await?.then_some(bytes).flatten())
}

/// Writes down what a call came to, or that there was nothing to do, and settles the task in the same batch.
pub async fn record(
    shop: &Shop,
    id: OperationId,
    ticket: Ticket,
    answered: Option<&Answered<RemoteOperation>>,
    settle: Settle<'_>,
) -> Result<Settlement, CommitError> {
    let change = |operation: &mut Operation, now| match answered {
        Some(answered) => operation.answered(answered.clone(), now),
        None => Ok(()),
    };
    let stage = |batch: &mut Batch, dossier, now| stage(shop, batch, dossier, (id, &change), (settle, now));
    settle_with(shop, id.payment.number, (ticket, settle), stage).await
}

/// Why an operation was not made that a person has looked into.
const BY_HAND: &str = "by the word of a person";

/// A person has looked what became of an operation that was put before them: it is done, or it never will be. Says whether
/// there was one that waited for that word.
pub async fn settle_by_hand(shop: &Shop, id: OperationId, is_done: bool) -> Result<bool, Unavailable> {
    let change = |operation: &mut Operation, now| {
        operation.state = if is_done {
            OperationState::Done { at: now }
        } else {
            OperationState::Refused { at: now, why: BY_HAND.into() }
        };
        Ok(())
    };
    let waits = |checkout: &Checkout| {
        let found = checkout.operations.iter().find(|operation| operation.id == id);
        found.is_some_and(|operation| matches!(operation.state, OperationState::Frozen { .. }))
    };
    let stage = |batch: &mut Batch, mut dossier: Dossier, settle: Settle<'_>, now| {
        if let Some((checkout, _)) = &mut dossier.checkout {
            checkout.resolve(id.payment);
        }
        stage(shop, batch, dossier, (id, &change), (settle, now))
    };
    by_hand(shop, id.payment.number, waits, stage).await
}

/// A person has mended why the payment system would not hear of a handover: it is told again. Says whether there was one that
/// it had refused, and has not been told since.
pub async fn tell_again(shop: &Shop, id: OperationId) -> Result<bool, Unavailable> {
    let waits = |checkout: &Checkout| {
        let mut of_kind = checkout.operations.iter().filter(|known| known.kind == OperationKind::Shipment);
        let was_refused = of_kind.clone().any(|known| known.id == id && !known.counts());
        was_refused && !of_kind.any(Operation::counts)
    };
    let stage = |batch: &mut Batch, dossier: Dossier, settle: Settle<'_>, now| {
        if let Dossier { mut order, order_stored, checkout: Some((mut checkout, version)) } = dossier {
            checkout.note(now, Some(id.payment), format!("{id} is asked for again by a person"));
            checkout.resolve(id.payment);
            ship(shop, batch, &mut order, &mut checkout, now);
            let number = order.number;
            let stored = (Expect::At(order_stored.version), order_stored.body.listed_at);
            batch.put(DocKey::order(number), stored.0, &order, stored.1);
            batch.put(DocKey::checkout(number), Expect::At(version), &checkout, now);
        }
        settle(None)
    };
    by_hand(shop, id.payment.number, waits, stage).await
}

/// What happens to an operation. The error says what is left to do.
type Change<'a> = &'a dyn Fn(&mut Operation, Timestamp) -> Result<(), Again>;

fn stage(
    shop: &Shop,
    batch: &mut Batch,
    dossier: Dossier,
    (id, change): (OperationId, Change<'_>),
    (settle, now): (Settle<'_>, Timestamp),
) -> Settlement {
    let Dossier { mut order, order_stored, checkout: Some((mut checkout, version)) } = dossier else {
        return settle(None);
    };
    let Some(operation) = checkout.operation_mut(id) else { return settle(None) };
    let before = operation.clone();
    let outcome = change(operation, now);
    let after = operation.clone();
    let settlement = settle(outcome.as_ref().err());
    let given_up = if let Settlement::Dead { error, .. } = &settlement { Some(error) } else { None };
    if after == before && given_up.is_none() {
        return settlement;
    }
    if let Some(error) = given_up {
        let what = after.kind.name();
        checkout.flag(now, Some(id.payment), format!("{what} {id} was given up, see to it by hand: {error}"));
    }
    if before.state != after.state {
        note(&mut checkout, &after, outcome.as_ref().err(), now);
    }
    let is_watched = matches!(before.state, OperationState::Accepted { .. });
    let watch = outcome.as_ref().err().filter(|again| again.why == Again::WAITS && !is_watched);
    let gateway = checkout.gateway.clone();
    if let Some(gap) = watch.and_then(|again| again.after) {
        watch_operation(batch, &mut order, gateway.as_str(), id, (now, gap));
    }
    if after.kind == OperationKind::Capture && after.is_done() && !before.is_done() {
        if let Some(payment) = checkout.payment_mut(id.payment) {
            payment.captured = Some(after.total).filter(|total| *total != payment.bill.total);
        }
        let fingerprint = Fingerprint::of(&[b"captured", id.to_string().as_bytes()]);
        let event = HookId { partition: id.payment.number.get(), fingerprint };
        let remote_id =
            checkout.payment_mut(id.payment).and_then(|payment| Some(payment.remote.as_ref()?.id.clone()));
        let is_paid = checkout.payment_mut(id.payment).is_none_or(|payment| payment.took_money());
        if is_paid {
            batch.put(DocKey::checkout(id.payment.number), Expect::At(version), &checkout, now);
            return settlement; // it was known already, and everyone was told
        }
        let dossier = Dossier { order, order_stored, checkout: Some((checkout, version)) };
        pay(shop, batch, dossier, id.payment, (event, remote_id), now, &mut Vec::new());
        return settlement;
    }
    let is_told = event_of(&before, &after).is_some_and(|event| {
        call_back(shop, batch, (&mut order, &checkout), (event, Some(id.payment), Some(id)), now)
    });
    let is_planned = match event_of(&before, &after) {
        Some(Event::RefundSucceeded) => after_refund(batch, &mut order, &mut checkout, now),
        // What was handed over meanwhile is paid for after all.
        Some(Event::RefundFailed) => ship(shop, batch, &mut order, &mut checkout, now),
        Some(_) | None => false,
    };
    if watch.is_some() || is_told || is_planned {
        let number = id.payment.number;
        let stored = (Expect::At(order_stored.version), order_stored.body.listed_at);
        batch.put(DocKey::order(number), stored.0, &order, stored.1);
    }
    batch.put(DocKey::checkout(id.payment.number), Expect::At(version), &checkout, now);
    settlement
}

/// Money has gone back. If it had come for something else the buyer owes what the order comes to now. Says whether something
/// is to be done.
pub(super) fn after_refund(
    batch: &mut Batch,
    order: &mut Order,
    checkout: &mut Checkout,
    now: Timestamp,
) -> bool {
    if order.view().is_none_or(|view| view.paid.is_some() || view.cancelled.is_some()) {
        return false;
    }
    let payment = checkout.ask_again(now);
    payment.inspect(|id| send_task(batch, order, checkout.gateway.as_str(), *id, now));
    watch_end(batch, order, checkout, now) || payment.is_some()
}

/// What the site is told of what has changed.
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

fn note(checkout: &mut Checkout, operation: &Operation, again: Option<&Again>, now: Timestamp) {
    let (id, payment, what) = (operation.id, operation.id.payment, operation.kind.name());
    match &operation.state {
        OperationState::Planned | OperationState::Sending { .. } => {}
        OperationState::Unknown { looks: 0, .. } => {
            let why = again.map_or_else(String::new, |again| format!(": {}", again.why));
            let text = format!("{what} {id}: whether the payment system has it is not known{why}");
            checkout.note(now, Some(payment), text);
        }
        OperationState::Unknown { looks, .. } => {
            let text = format!("{what} {id}: looked for and not found, {looks} times so far");
            checkout.note(now, Some(payment), text);
        }
        OperationState::Accepted { .. } => {
            checkout.note(now, Some(payment), format!("{what} {id} was taken in by the payment system"));
        }
        OperationState::Done { .. } => {
            checkout.note(now, Some(payment), format!("{what} {id} of {} is done", operation.total));
            let paid = checkout.payment_mut(payment).map(|payment| payment.taken());
            if operation.kind == OperationKind::Refund && paid == Some(checkout.refunded(payment)) {
                checkout.resolve(payment); // the money that a person was to look at has gone back
            }
        }
        OperationState::Refused { why, .. } if why == BY_HAND => {
            checkout.note(
                now,
                Some(payment),
                format!("{what} {id} of {} was not made: {why}", operation.total),
            );
        }
        OperationState::Refused { why, .. } => {
            let text = format!("{what} {id} of {} was refused by the payment system: {why}", operation.total);
            checkout.flag(now, Some(payment), text);
        }
        OperationState::Frozen { why, .. } => {
            checkout.flag(now, Some(payment), format!("{what} {id} is frozen, see to it by hand: {why}"));
        }
    }
}
