//! Refunds that were made at the payment system itself, in its cabinet: they are refunds of the order like ours.
//!
//! What a notification says of them proves nothing; the payment system's own list does. What it shows that cannot be is put
//! before a person.

use std::time::Duration;

use super::effects::{About, LOOK_GAP_MIN, Task};
use super::tend_payment::{Settle, by_hand, settle_task};
use super::transaction::Transaction;
use super::{BilledOrder, Shop};
use crate::kernel::Timestamp;
use crate::kernel::time::between;
use crate::outbox::{Settlement, Ticket};
use crate::payments::{
    CallOutcome, Checkout, OutsideRefund, PaymentId, PaymentNote, PaymentState, RemoteOperation, RetryLater,
    RetryReason,
};
use crate::store::{CommitError, Unavailable};
use crate::views::callback::Event;

const LOOK_GAP_MAX: Duration = Duration::from_secs(24 * 3600);
const LOOKED_AT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Before a refund is looked at again that is not over.
const PENDING_GAP: Duration = Duration::from_secs(600);

/// Writes down what the payment system shows of a payment's refunds, and settles the task in the same batch.
pub async fn record(
    shop: &Shop,
    id: PaymentId,
    ticket: Ticket,
    outcome: Option<&CallOutcome<RemoteOperation>>,
    settle: Settle<'_>,
) -> Result<Settlement, CommitError> {
    let stage = |tx: &mut Transaction<'_>, billed| match outcome {
        Some(CallOutcome::Found(listed)) => stage(tx, billed, id, listed, settle),
        Some(CallOutcome::NotDone(reason) | CallOutcome::NotSeen(reason) | CallOutcome::Unknown(reason)) => {
            settle(Some(&RetryLater::because(reason.clone())))
        }
        // No list says that.
        Some(
            CallOutcome::Refused(_)
            | CallOutcome::Duplicate
            | CallOutcome::Created(_)
            | CallOutcome::Status(_),
        )
        | None => settle(None),
    };
    settle_task(shop, id, ticket, settle, stage).await
}

/// A person wants to know what the payment system has of a payment. Says whether there is one that took money.
pub async fn look_by_hand(shop: &Shop, id: PaymentId) -> Result<bool, Unavailable> {
    let waits = |checkout: &Checkout| {
        checkout.payments.iter().any(|payment| payment.id == id && payment.took_money())
    };
    let stage = |tx: &mut Transaction<'_>, mut billed: BilledOrder, settle: Settle<'_>| {
        tx.watch(&mut billed, Task::Refunds { payment: id }, Duration::ZERO);
        billed.order.stage(tx.batch());
        settle(None)
    };
    by_hand(shop, id.number, waits, stage).await
}

fn stage(
    tx: &mut Transaction<'_>,
    mut billed: BilledOrder,
    id: PaymentId,
    listed: &[RemoteOperation],
    settle: Settle<'_>,
) -> Settlement {
    let now = tx.now;
    let (before, messages) = (billed.checkout.clone(), billed.order.messages);
    let (mut is_pending, mut is_early) = (false, false);
    for remote in listed {
        match billed.checkout.take_outside_refund(id, remote, now) {
            OutsideRefund::Known => {}
            OutsideRefund::Pending => is_pending = true,
            OutsideRefund::Early => is_early = true,
            OutsideRefund::Unfit(why) => {
                let (amount, remote_id, reason) = (remote.amount, remote.id.clone(), why);
                let note = PaymentNote::OutsideRefundMismatch { amount, remote_id, reason };
                billed.checkout.flag(now, Some(id), note);
            }
            OutsideRefund::Taken(operation) => {
                tx.notify_merchant(&mut billed, Event::RefundSucceeded, About::operation(operation));
                tx.ask_after_refund(&mut billed);
            }
        }
    }
    if billed.order.messages != messages {
        billed.order.stage(tx.batch());
    }
    if billed.checkout != before {
        billed.checkout.stage(tx.batch());
    }
    let again = if is_early {
        Some(RetryLater::because(RetryReason::RefundedBeforePaid))
    } else if is_pending {
        Some(RetryLater::waits(PENDING_GAP))
    } else {
        next_look(tx.services, &billed.checkout, id, now).map(RetryLater::waits)
    };
    settle(again.as_ref())
}

/// When the refunds of a payment are looked at again without anybody's having told of one.
fn next_look(shop: &Shop, checkout: &Checkout, id: PaymentId, now: Timestamp) -> Option<Duration> {
    if shop.tells_of_refunds(&checkout.gateway) {
        return None;
    }
    let payment = checkout.payments.iter().find(|payment| payment.id == id)?;
    let PaymentState::Paid { at } = payment.state else { return None };
    let age = between(at, now);
    let is_watched = age < LOOKED_AT_FOR && checkout.keeps_money(payment);
    is_watched.then(|| age.clamp(LOOK_GAP_MIN, LOOK_GAP_MAX))
}
