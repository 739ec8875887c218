//! Refunds that were made at the payment system itself, on its account pages.
//! They count as refunds of the order like ours.
//!
//! A notification about them proves nothing; the list of the payment system
//! does. A refund in it that is not possible is flagged for a person.

use std::time::Duration;

use super::advance_payment::{Settle, settle_task};
use super::effects::{EventSubject, LOOK_GAP_MIN, Task};
use super::transaction::{Staged, Transaction, transact};
use super::{BilledOrder, OrderRecord, Services, load_record};
use crate::kernel::Timestamp;
use crate::kernel::time::between;
use crate::outbox::{MessageId, Settlement, Ticket};
use crate::payments::{
    CallOutcome, Checkout, OutsideRefund, PaymentId, PaymentNote, PaymentState, RemoteOperation,
    RetryLater, RetryReason,
};
use crate::store::{CommitError, Unavailable};
use crate::views::callback::Event;

const LOOK_GAP_MAX: Duration = Duration::from_secs(24 * 3600);
const LOOKED_AT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// The time before the refunds are listed again, if one of them is not over.
const PENDING_GAP: Duration = Duration::from_secs(600);

/// Records the refunds that the payment system lists for a payment, and settles
/// the task in the same batch.
pub async fn record(
    services: &Services,
    id: PaymentId,
    ticket: Ticket,
    outcome: Option<&CallOutcome<RemoteOperation>>,
    settle: Settle<'_>,
) -> Result<Settlement, CommitError> {
    let stage = |tx: &mut Transaction<'_>, billed| match outcome {
        Some(CallOutcome::Found(listed)) => stage(tx, billed, id, listed, settle),
        Some(
            CallOutcome::NotDone(reason)
            | CallOutcome::NotSeen(reason)
            | CallOutcome::Unknown(reason),
        ) => settle(Some(&RetryLater::because(reason.clone()))),
        // These are not outcomes of listing refunds.
        Some(
            CallOutcome::Refused(_)
            | CallOutcome::Duplicate
            | CallOutcome::Created(_)
            | CallOutcome::Status(_),
        )
        | None => settle(None),
    };
    settle_task(services, id, ticket, settle, stage).await
}

/// Has a payment looked up at the payment system now: its status, or the
/// refunds of one that is paid. Returns the task; `None` if there is no such
/// payment or nothing of it can change any more.
pub async fn look_by_hand(
    services: &Services,
    id: PaymentId,
) -> Result<Option<MessageId>, Unavailable> {
    transact(services, "look_by_hand", |mut tx| async move {
        let record = load_record(&services.store, id.number).await?;
        let Some(mut billed) = record.and_then(OrderRecord::billed) else {
            return Ok(Staged::Unchanged(None));
        };
        match billed.checkout.payment(id) {
            Some(payment) if payment.was_paid() => {
                tx.watch(&mut billed, Task::Refunds { payment: id }, Duration::ZERO);
            }
            Some(payment) if payment.may_have_changed() => {
                tx.start(&mut billed, Task::Look { payment: id });
            }
            Some(payment) if payment.is_live() => {
                tx.start(&mut billed, Task::Payment { payment: id });
            }
            Some(_) | None => return Ok(Staged::Unchanged(None)),
        }
        let task = billed.order.last_message();
        billed.order.stage(tx.batch());
        Ok(tx.commit(Some(task)))
    })
    .await
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
                tx.notify_merchant(
                    &mut billed,
                    Event::RefundSucceeded,
                    EventSubject::operation(operation),
                );
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

/// How long until the refunds of a payment are listed again without a
/// notification; `None` if they are not.
fn next_look(
    services: &Services,
    checkout: &Checkout,
    id: PaymentId,
    now: Timestamp,
) -> Option<Duration> {
    if services.notifies_of_refunds(&checkout.gateway) {
        return None;
    }
    let payment = checkout.payment(id)?;
    let PaymentState::Paid { at } = payment.state else { return None };
    let age = between(at, now);
    let is_watched = age < LOOKED_AT_FOR && checkout.has_unrefunded_money(payment);
    is_watched.then(|| age.clamp(LOOK_GAP_MIN, LOOK_GAP_MAX))
}
